import { changeConfig } from "../change-config.ts";
import { type Command, exactly } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { DEFAULT_CONTEXT, readContext } from "./store.ts";

export function command(): Command {
  return {
    usage: "CONTEXT",
    flags: new FlagSet(),
    arguments: exactly(1),
    async run(cli, [name = ""]) {
      const { directory, currentContext } = await cli.config();
      if (name !== DEFAULT_CONTEXT) await readContext(directory, name);
      const next = name === DEFAULT_CONTEXT ? "" : name;
      if (next !== currentContext) await setCurrentContext(directory, next);
      await cli.print(name);
      await cli.warn(`Current context is now "${name}"`);
      if (name !== DEFAULT_CONTEXT && cli.variable("DOCKER_HOST"))
        await cli.warn(
          `Warning: DOCKER_HOST environment variable overrides the active context. To use "${name}", either set the global --context flag, or unset DOCKER_HOST environment variable.`,
        );
      return 0;
    },
  };
}

/** "" = the default one. */
export async function setCurrentContext(directory: string, name: string): Promise<void> {
  await changeConfig(directory, (document) => {
    const others = Object.entries(document).filter(([key]) => key !== "currentContext");
    return Object.fromEntries(name === "" ? others : [...others, ["currentContext", name]]);
  });
}
