import { messageOf } from "../../base/errors.ts";
import { child, fieldsOf, number, text, textMap } from "../../client/fields.ts";
import { textLines } from "../../client/json-lines.ts";
import { type Command, NO_ARGUMENTS } from "../command.ts";
import { Exit } from "../exit.ts";
import { filterQuery } from "../filters.ts";
import { FlagSet } from "../flags.ts";
import { checkFilter, fromPairs } from "../options/values.ts";
import { plainText } from "../output/plain-text.ts";
import { escapeControls } from "../output/text.ts";
import { openMap } from "../output/template-value.ts";
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
      const show = await presentation(format.value);
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
        if (line.trim() !== "") await cli.printMade(`${show(line.trim())}\n`);
      }
      return 0;
    },
  };
}

/** How an event's document is shown. A template is tried on an event without content before anybody waits for one. */
async function presentation(format: string): Promise<(line: string) => string> {
  if (format === "json" || format === "{{json .}}") return escapeControls;
  if (format === "") return (line) => plainText(eventText(line));
  const { compileTemplate, TemplateError } = await import("../output/template.ts");
  const attempt = <T>(status: number, action: () => T): T => {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      throw new Exit(status, `Error parsing format: ${messageOf(error)}`);
    }
  };
  const template = attempt(64, () => {
    const compiled = compileTemplate(format, "");
    compiled.execute(templateEvent("{}"));
    return compiled;
  });
  return (line) => attempt(1, () => template.execute(templateEvent(line)));
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
    ["Status", text(event, "status")],
    ["ID", text(event, "id")],
    ["From", text(event, "from")],
    ["Type", text(event, "Type")],
    ["Action", text(event, "Action")],
    [
      "Actor",
      fromPairs<unknown>([
        ["ID", text(actor, "ID")],
        ["Attributes", openMap(child(actor, "Attributes"))],
      ]),
    ],
    ["Scope", text(event, "scope")],
    ["Time", number(event, "time")],
    ["TimeNano", nanoseconds(line)],
  ]);
}
