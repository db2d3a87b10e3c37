/**
 * `gantry execs ls`: processes beside the main one. The group is not called `exec`, because `exec ls` runs a command in a container
 * that is called so.
 */
import type { EngineClient } from "../../client/engine-client.ts";
import { isCategory } from "../../base/errors.ts";
import { child, type Fields, flag, isFields, number, text, textList } from "../../client/fields.ts";
import { type Command, atLeast } from "../command.ts";
import { segment } from "../container/each.ts";
import { FlagSet } from "../flags.ts";
import { type ListSpec, printList } from "../output/list.ts";
import { ellipsis, goQuote, shortId } from "../output/text.ts";
import { FORMAT_USAGE } from "../output/usage.ts";

export function command(): Command {
  const flags = new FlagSet();
  const all = flags.bool("all", false, "Show those that ended in the last minutes, too", { short: "a" });
  const format = flags.string("format", "", FORMAT_USAGE);
  const noTrunc = flags.bool("no-trunc", false, "Do not truncate the output");
  const quiet = flags.bool("quiet", false, "Only display IDs", { short: "q" });
  return {
    usage: "[OPTIONS] [CONTAINER...]",
    flags,
    arguments: atLeast(0),
    async run(cli, names) {
      const engine = await cli.engine();
      const rows: Row[] = [];
      for (const container of names.length > 0 ? names : await runningContainers(engine))
        rows.push(...(await execsOf(engine, container, { all: all.value, named: names.length > 0 })));
      await printList(cli, execList(rows, !noTrunc.value), { format: format.value, quiet: quiet.value });
      return 0;
    },
  };
}

interface Row {
  /** As the user called it, or its name. */
  readonly container: string;
  readonly exec: Fields;
}

async function runningContainers(engine: EngineClient): Promise<readonly string[]> {
  const answer = await engine.json({ method: "GET", path: "/containers/json" });
  const rows = Array.isArray(answer) ? answer.filter(isFields) : [];
  return rows.map((row) => (textList(row, "Names")[0] ?? "").replace(/^\//, "") || text(row, "Id"));
}

/** One that nobody named may be gone by now. */
async function execsOf(
  engine: EngineClient,
  container: string,
  { all, named }: { readonly all: boolean; readonly named: boolean },
): Promise<readonly Row[]> {
  try {
    const path = `/containers/${segment(container)}/execs`;
    const answer = await engine.json({ method: "GET", path, query: { all: all ? 1 : undefined } });
    return (Array.isArray(answer) ? answer.filter(isFields) : []).map((exec) => ({ container, exec }));
  } catch (error) {
    if (!named && isCategory(error, "not_found")) return [];
    throw error;
  }
}

function execList(rows: readonly Row[], truncate: boolean): ListSpec<Row> {
  return {
    rows,
    fields: [
      {
        name: "ID",
        header: "EXEC ID",
        text: ({ exec }) => (truncate ? shortId(text(exec, "ID")) : text(exec, "ID")),
      },
      { name: "Container", header: "CONTAINER", text: ({ container }) => container },
      {
        name: "Command",
        header: "COMMAND",
        text: ({ exec }) => goQuote(truncate ? ellipsis(commandOf(exec), 20) : commandOf(exec)),
      },
      { name: "User", header: "USER", text: ({ exec }) => text(child(exec, "ProcessConfig"), "user") },
      {
        name: "PID",
        header: "PID",
        text: ({ exec }) => (number(exec, "Pid") === 0 ? "" : String(number(exec, "Pid"))),
      },
      { name: "Status", header: "STATUS", text: ({ exec }) => statusOf(exec) },
    ],
    columns: ["ID", "Container", "Command", "PID", "Status"],
    identity: "ID",
    typeName: "*execs.execContext",
  };
}

function commandOf(exec: Fields): string {
  const config = child(exec, "ProcessConfig");
  return [text(config, "entrypoint"), ...textList(config, "arguments")].join(" ");
}

function statusOf(exec: Fields): string {
  if (flag(exec, "Running")) return "Running";
  return exec["ExitCode"] === null ? "Created" : `Exited (${number(exec, "ExitCode")})`;
}
