import { child, fieldsOf, number, text, textMap } from "../../client/fields.ts";
import { textLines } from "../../client/json-lines.ts";
import type { Cli } from "../cli.ts";
import { type Command, NO_ARGUMENTS } from "../command.ts";
import { filterQuery } from "../filters.ts";
import { FlagSet } from "../flags.ts";
import { checkFilter, fromPairs } from "../options/values.ts";
import { printDocument } from "../output/inspect.ts";
import { INSPECT_FORMAT_USAGE } from "../output/usage.ts";
import { parseTimestamp } from "../timestamp.ts";

export function command(): Command {
  const flags = new FlagSet();
  const filter = flags.list("filter", "Filter output based on conditions provided", {
    short: "f",
    valueName: "filter",
    check: checkFilter,
  });
  const format = flags.string("format", "", INSPECT_FORMAT_USAGE);
  const since = flags.string("since", "", "Show all events created since timestamp");
  const until = flags.string("until", "", "Stream events until this timestamp");
  return {
    usage: "[OPTIONS]",
    flags,
    arguments: NO_ARGUMENTS,
    async run(cli) {
      const engine = await cli.engine();
      const response = await engine.call({
        method: "GET",
        path: "/events",
        query: {
          since: parseTimestamp("", since.value),
          until: parseTimestamp("", until.value),
          filters: filterQuery(filter.value),
        },
      });
      for await (const line of textLines(response.body)) {
        if (line.trim() !== "") await printEvent(cli, line.trim(), format.value);
      }
      return 0;
    },
  };
}

async function printEvent(cli: Cli, line: string, format: string): Promise<void> {
  if (format === "json" || format === "{{json .}}") await cli.print(line);
  else if (format === "") await cli.print(eventText(line));
  else await printDocument(cli, format, templateEvent(line));
}

/** Nanoseconds are beyond what a double holds, so they are read from the text. */
function nanoseconds(line: string): bigint {
  return BigInt(/"timeNano":\s*(\d{1,20})/.exec(line)?.[1] ?? "0");
}

/** "2026-11-21T02:16:47.121984908Z container create 0e9f… (image=busybox, name=web)" */
export function eventText(line: string): string {
  const event = fieldsOf(JSON.parse(line));
  const actor = child(event, "Actor");
  const attributes = [...textMap(actor, "Attributes")].sort(([a], [b]) => (a < b ? -1 : 1));
  const listed = attributes.map(([name, value]) => `${name}=${value}`).join(", ");
  const words = [
    localNanoTime(nanoseconds(line), number(event, "time")),
    text(event, "Type"),
    text(event, "Action"),
    text(actor, "ID"),
  ];
  return attributes.length === 0 ? words.join(" ") : `${words.join(" ")} (${listed})`;
}

function localNanoTime(nano: bigint, seconds: number): string {
  const whole = nano > 0n ? Number(nano / 1_000_000_000n) : seconds;
  const fraction = String(nano % 1_000_000_000n).padStart(9, "0");
  const offset = -new Date(whole * 1000).getTimezoneOffset();
  const shifted = new Date((whole + offset * 60) * 1000).toISOString().slice(0, 19);
  const two = (n: number): string => String(n).padStart(2, "0");
  const size = Math.abs(offset);
  const zone =
    offset === 0 ? "Z" : `${offset < 0 ? "-" : "+"}${two(Math.trunc(size / 60))}:${two(size % 60)}`;
  return `${shifted}.${fraction}${zone}`;
}

/** The event under the names that templates use. */
function templateEvent(line: string): Record<string, unknown> {
  const event = fieldsOf(JSON.parse(line));
  const actor = child(event, "Actor");
  return fromPairs<unknown>([
    ["Status", text(event, "status") || text(event, "Action")],
    ["ID", text(event, "id") || text(actor, "ID")],
    ["From", text(event, "from")],
    ["Type", text(event, "Type")],
    ["Action", text(event, "Action")],
    [
      "Actor",
      fromPairs<unknown>([
        ["ID", text(actor, "ID")],
        ["Attributes", child(actor, "Attributes")],
      ]),
    ],
    ["Scope", text(event, "scope")],
    ["Time", number(event, "time")],
    ["TimeNano", nanoseconds(line)],
  ]);
}
