import { changeLines } from "../output/changes.ts";
import { type Command, exactly } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { segment } from "./each.ts";

export function command(): Command {
  return {
    usage: "CONTAINER",
    flags: new FlagSet(),
    arguments: exactly(1),
    async run(cli, [name = ""]) {
      if (name === "") throw new Exit(1, "container name cannot be empty");
      const engine = await cli.engine();
      const answer = await engine.json({ method: "GET", path: `/containers/${segment(name)}/changes` });
      const lines = changeLines(answer);
      if (lines.length > 0) await cli.print(lines.join("\n"));
      return 0;
    },
  };
}
