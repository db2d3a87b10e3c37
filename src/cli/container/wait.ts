import { child, fieldsOf, number, text } from "../../client/fields.ts";
import { atLeast, type Command } from "../command.ts";
import { Exit } from "../exit.ts";
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
        const answer = fieldsOf(
          await engine.json({ method: "POST", path: `/containers/${segment(name)}/wait` }),
        );
        const failure = text(child(answer, "Error"), "Message");
        if (failure !== "") throw new Exit(1, failure);
        return String(number(answer, "StatusCode"));
      });
    },
  };
}
