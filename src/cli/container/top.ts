import { fieldsOf, list, textList } from "../../client/fields.ts";
import { atLeast, type Command } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { plainText } from "../output/plain-text.ts";
import { alignColumns } from "../output/table.ts";
import { segment } from "./each.ts";

/** The width of `top`'s columns is not that of the other lists. */
const TOP_COLUMNS = { leastWidth: 20, padding: 3 };

export function command(): Command {
  return {
    usage: "CONTAINER [ps OPTIONS]",
    flags: new FlagSet({ interspersed: false }),
    arguments: atLeast(1),
    async run(cli, [name = "", ...options]) {
      const engine = await cli.engine();
      const answer = fieldsOf(
        await engine.json({
          method: "GET",
          path: `/containers/${segment(name)}/top`,
          query: { ps_args: options.length > 0 ? options.join(" ") : undefined },
        }),
      );
      const processes = list(answer, "Processes").map((process) =>
        Array.isArray(process) ? process.map(String) : [],
      );
      const lines = [textList(answer, "Titles"), ...processes].map(
        (cells) => `${cells.map((cell) => plainText(cell).replaceAll(/[\t\n]/g, " ")).join("\t")}\n`,
      );
      await cli.out.write(alignColumns(lines.join(""), TOP_COLUMNS));
      return 0;
    },
  };
}
