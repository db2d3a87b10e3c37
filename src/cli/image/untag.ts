import { isFields, text } from "../../client/fields.ts";
import { atLeast, type Command } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { imagePath } from "./path.ts";

export function command(): Command {
  return {
    usage: "IMAGE[:TAG] [IMAGE[:TAG]...]",
    flags: new FlagSet(),
    arguments: atLeast(1),
    async run(cli, names) {
      const engine = await cli.engine();
      for (const name of names) {
        const answer = await engine.json({ method: "POST", path: `${imagePath(name)}/untag` });
        for (const item of Array.isArray(answer) ? answer.filter(isFields) : [])
          await cli.print(`Untagged: ${text(item, "Untagged")}`);
      }
      return 0;
    },
  };
}
