import { type Command, NO_ARGUMENTS } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { currentContextName } from "./current.ts";

export function command(): Command {
  return {
    usage: "",
    flags: new FlagSet(),
    arguments: NO_ARGUMENTS,
    async run(cli) {
      await cli.print(await currentContextName(cli));
      return 0;
    },
  };
}
