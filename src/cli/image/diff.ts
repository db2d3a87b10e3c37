import type { Command } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { changeLines } from "../output/changes.ts";
import { imagePath } from "./path.ts";

export function command(): Command {
  return {
    usage: "IMAGE [IMAGE]",
    flags: new FlagSet(),
    arguments: { least: 1, most: 2 },
    /** Of one image what its topmost layer changed, of two the way from the first to the second. */
    async run(cli, [first = "", second]) {
      const engine = await cli.engine();
      const [name, base] = second === undefined ? [first, undefined] : [second, first];
      const answer = await engine.json({
        method: "GET",
        path: `${imagePath(name)}/changes`,
        query: { base },
      });
      const lines = changeLines(answer);
      if (lines.length > 0) await cli.print(lines.join("\n"));
      return 0;
    },
  };
}
