import { type Command, exactly } from "../command.ts";
import { describe } from "../dispatch.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { segment } from "./each.ts";

export function command(): Command {
  return {
    usage: "CONTAINER NEW_NAME",
    flags: new FlagSet(),
    arguments: exactly(2),
    async run(cli, words) {
      const [from = "", to = ""] = words.map((word) => word.trim());
      if (from === "" || to === "") throw new Exit(1, "Error: Neither old nor new names may be empty");
      const engine = await cli.engine();
      try {
        await engine.run({
          method: "POST",
          path: `/containers/${segment(from)}/rename`,
          query: { name: to },
        });
      } catch (error) {
        throw new Exit(1, `${describe(error)}\nError: failed to rename container named ${from}`);
      }
      return 0;
    },
  };
}
