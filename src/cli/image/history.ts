import { formatDecimalSize } from "../../base/units.ts";
import { type Fields, isFields, number, text } from "../../client/fields.ts";
import { type Command, exactly } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { type ListSpec, printList } from "../output/list.ts";
import { ago, ellipsis, shortId } from "../output/text.ts";
import { FORMAT_USAGE } from "../output/usage.ts";
import { imagePath } from "./path.ts";
import { platformQuery } from "./platform.ts";

const CREATED_BY_LENGTH = 45;

export function command(): Command {
  const flags = new FlagSet();
  const format = flags.string("format", "", FORMAT_USAGE);
  const human = flags.bool("human", true, "Print sizes and dates in human readable format", { short: "H" });
  const noTrunc = flags.bool("no-trunc", false, "Don't truncate output");
  const platform = flags.string("platform", "", "Show history for the given platform");
  const quiet = flags.bool("quiet", false, "Only show image IDs", { short: "q" });
  return {
    usage: "[OPTIONS] IMAGE",
    flags,
    arguments: exactly(1),
    async run(cli, [name = ""]) {
      const engine = await cli.engine();
      const answer = await engine.json({
        method: "GET",
        path: `${imagePath(name)}/history`,
        query: { platform: platformQuery(platform.value) },
      });
      const items = Array.isArray(answer) ? answer.filter(isFields) : [];
      const spec = historyList(items, {
        truncate: !noTrunc.value,
        human: human.value,
        now: Date.now() / 1000,
      });
      await printList(cli, spec, { format: format.value, quiet: quiet.value });
      return 0;
    },
  };
}

interface HistoryOptions {
  readonly truncate: boolean;
  readonly human: boolean;
  /** Unix seconds. */
  readonly now: number;
}

function historyList(items: readonly Fields[], { truncate, human, now }: HistoryOptions): ListSpec<Fields> {
  const createdAt = (item: Fields): string => {
    const created = number(item, "Created");
    return created <= 0 ? "" : new Date(created * 1000).toISOString().replace(".000Z", "Z");
  };
  const createdBy = (item: Fields): string => {
    const command = text(item, "CreatedBy").replaceAll("\t", " ");
    return truncate ? ellipsis(command, CREATED_BY_LENGTH) : command;
  };
  const since = (item: Fields): string =>
    number(item, "Created") <= 0 ? "N/A" : ago(number(item, "Created"), now);
  return {
    rows: items,
    fields: [
      {
        name: "ID",
        header: "IMAGE",
        text: (item) => (truncate ? shortId(text(item, "Id")) : text(item, "Id")),
      },
      {
        name: "CreatedSince",
        header: human ? "CREATED" : "CREATED AT",
        text: (item) => (human ? since(item) : createdAt(item)),
      },
      { name: "CreatedAt", header: "CREATED AT", text: createdAt },
      { name: "CreatedBy", header: "CREATED BY", text: createdBy },
      {
        name: "Size",
        header: "SIZE",
        text: (item) => (human ? formatDecimalSize(number(item, "Size"), 3) : String(number(item, "Size"))),
      },
      { name: "Comment", header: "COMMENT", text: (item) => text(item, "Comment") },
    ],
    columns: ["ID", "CreatedSince", "CreatedBy", "Size", "Comment"],
    identity: "ID",
    typeName: "*image.historyContext",
  };
}
