import { isCategory } from "../../base/errors.ts";
import { atLeast, type Command } from "../command.ts";
import { describe } from "../dispatch.ts";
import { FlagSet } from "../flags.ts";
import { networkPath } from "./path.ts";

export function command(): Command {
  const flags = new FlagSet();
  const force = flags.bool("force", false, "Do not error if the network does not exist", { short: "f" });
  return {
    usage: "NETWORK [NETWORK...]",
    flags,
    arguments: atLeast(1),
    async run(cli, names) {
      const engine = await cli.engine();
      let status = 0;
      for (const name of names) {
        try {
          await engine.run({ method: "DELETE", path: networkPath(name) });
          await cli.print(name);
        } catch (error) {
          if (force.value && isCategory(error, "not_found")) continue;
          await cli.warn(describe(error));
          status = 1;
        }
      }
      return status;
    },
  };
}
