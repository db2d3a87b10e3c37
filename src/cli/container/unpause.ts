import { atLeast, type Command } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { forEach, segment } from "./each.ts";

export function command(): Command {
  return {
    usage: "CONTAINER [CONTAINER...]",
    flags: new FlagSet(),
    arguments: atLeast(1),
    async run(cli, words) {
      const engine = await cli.engine();
      return forEach(cli, words, async (name) => {
        await engine.run({ method: "POST", path: `/containers/${segment(name)}/unpause` });
        return name;
      });
    },
  };
}
