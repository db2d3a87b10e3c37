import { atLeast, type Command } from "../command.ts";
import { describe } from "../dispatch.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { currentContextName } from "./current.ts";
import { DEFAULT_CONTEXT, isStored, removeContext } from "./store.ts";
import { setCurrentContext } from "./use.ts";

export function command(): Command {
  const flags = new FlagSet();
  const force = flags.bool("force", false, "Force the removal of a context in use", { short: "f" });
  return {
    usage: "CONTEXT [CONTEXT...]",
    flags,
    arguments: atLeast(1),
    async run(cli, names) {
      const { directory, currentContext } = await cli.config();
      const current = await currentContextName(cli);
      let status = 0;
      for (const name of names) {
        try {
          if (name === DEFAULT_CONTEXT) throw new Exit(1, 'default: context "default" cannot be removed');
          if (!force.value && name === current)
            throw new Exit(1, `context "${name}" is in use, set -f flag to force remove`);
          if (!force.value && !(await isStored(directory, name)))
            throw new Exit(1, `context "${name}" does not exist`);
          if (name === currentContext) await setCurrentContext(directory, "");
          await removeContext(directory, name);
          await cli.print(name);
        } catch (error) {
          await cli.warn(describe(error));
          status = 1;
        }
      }
      return status;
    },
  };
}
