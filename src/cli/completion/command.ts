import { type Command, exactly } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { SCRIPTS } from "./scripts.ts";

export function command(): Command {
  return {
    usage: [...SCRIPTS.keys()].join("|"),
    flags: new FlagSet(),
    arguments: exactly(1),
    async run(cli, [shell = ""]) {
      const script = SCRIPTS.get(shell);
      if (script === undefined)
        throw new Exit(
          1,
          `no completion for ${JSON.stringify(shell)}: there is ${[...SCRIPTS.keys()].join(", ")}`,
        );
      await cli.out.write(script(cli.program));
      return 0;
    },
  };
}
