import { isCategory } from "../../base/errors.ts";
import { child, fieldsOf, isFields, text } from "../../client/fields.ts";
import { jsonLines } from "../../client/json-lines.ts";
import type { Cli } from "../cli.ts";
import type { Command } from "../command.ts";
import { describe } from "../dispatch.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { type Printer, printList } from "../output/list.ts";
import { plainText } from "../output/plain-text.ts";
import { FORMAT_USAGE } from "../output/usage.ts";
import { segment } from "./each.ts";
import { StatsBoard } from "./stats-board.ts";
import { entryOf, type StatsEntry, statsList } from "./stats-entry.ts";

interface Wishes {
  readonly all: boolean;
  readonly truncate: boolean;
  readonly format: string;
}

export function command(): Command {
  const flags = new FlagSet();
  const all = flags.bool("all", false, "Show all containers (default shows just running)", { short: "a" });
  const format = flags.string("format", "", FORMAT_USAGE);
  const noStream = flags.bool("no-stream", false, "Disable streaming stats and only pull the first result");
  const noTrunc = flags.bool("no-trunc", false, "Do not truncate output");
  return {
    usage: "[OPTIONS] [CONTAINER...]",
    flags,
    arguments: { least: 0, most: Number.POSITIVE_INFINITY },
    async run(cli, names) {
      const wishes = {
        all: all.value,
        truncate: !noTrunc.value,
        format: format.value || (await cli.config()).statsFormat,
      };
      const containers = [...new Set(names)];
      if (noStream.value) await showOnce(cli, containers, wishes);
      else if (containers.length > 0) await watchSome(cli, containers, wishes);
      else await watchAll(cli, wishes);
      return 0;
    },
  };
}

async function showOnce(cli: Cli, names: readonly string[], wishes: Wishes): Promise<void> {
  const engine = await cli.engine();
  const containers = names.length > 0 ? names : await listContainers(cli, wishes.all);
  const failures: string[] = [];
  const entries = await Promise.all(
    containers.map(async (container): Promise<StatsEntry> => {
      try {
        const path = `/containers/${segment(container)}/stats`;
        const query = { stream: 0 };
        return entryOf(container, fieldsOf(await engine.json({ method: "GET", path, query })));
      } catch (error) {
        failures.push(describe(error));
        return { container, name: "", id: "", usage: undefined };
      }
    }),
  );
  // One of all that there were may have been removed meanwhile; one that was asked for by name must be there.
  if (failures.length > 0 && names.length > 0) throw new Exit(1, failures.join("\n"));
  await printList(cli, statsList(entries, wishes.truncate), { format: wishes.format, quiet: false });
}

async function listContainers(cli: Cli, all: boolean): Promise<readonly string[]> {
  const engine = await cli.engine();
  const query = { all: all ? 1 : undefined };
  const answer = await engine.json({ method: "GET", path: "/containers/json", query });
  return Array.isArray(answer) ? answer.filter(isFields).map((row) => text(row, "Id")) : [];
}

/** Until none of them tells anything any more. */
async function watchSome(cli: Cli, names: readonly string[], wishes: Wishes): Promise<void> {
  const board = new StatsBoard(await cli.engine());
  for (const name of names) board.add(name);
  await board.settled();
  if (board.failures.length > 0) {
    board.close();
    throw new Exit(1, board.failures.map(describe).join("\n"));
  }
  await draw(cli, board, wishes, board.ended());
}

/** Until the engine tells of no more events. */
async function watchAll(cli: Cli, wishes: Wishes): Promise<void> {
  const engine = await cli.engine();
  const board = new StatsBoard(engine);
  const filters = JSON.stringify({ type: { container: true } });
  // Before they are listed, so that none is missed.
  const response = await engine.call({ method: "GET", path: "/events", query: { filters } });
  for (const id of await listContainers(cli, wishes.all)) board.add(id);
  const ended = followEvents(board, wishes.all, jsonLines(response.body));
  await board.settled();
  await draw(cli, board, wishes, ended);
  board.close();
}

async function followEvents(board: StatsBoard, all: boolean, events: AsyncIterable<unknown>): Promise<void> {
  const [come, go]: readonly [readonly string[], readonly string[]] = all
    ? [["create", "start"], ["destroy"]]
    : [["start"], ["die", "destroy"]];
  try {
    for await (const event of events) {
      const action = text(fieldsOf(event), "Action");
      const id = text(child(fieldsOf(event), "Actor"), "ID");
      if (come.includes(action)) board.add(id);
      else if (go.includes(action)) board.remove(id);
    }
  } catch (error) {
    // An engine that is stopped ends this command, which is no failure of it.
    if (!isCategory(error, "unavailable")) throw error;
  }
}

const REDRAW_MS = 500;
const ESCAPE = { home: "\u001b[H", restOfLine: "\u001b[K", restOfScreen: "\u001b[J" };

/** Draws over what it drew before, so that nothing flickers. */
async function draw(cli: Cli, board: StatsBoard, wishes: Wishes, ended: Promise<void>): Promise<void> {
  do {
    let frame = "";
    const write = (piece: string | Uint8Array): Promise<void> => {
      frame += typeof piece === "string" ? piece : Buffer.from(piece).toString();
      return Promise.resolve();
    };
    const page: Printer = { out: { write }, printMade: (text) => write(plainText(text)) };
    const list = statsList(board.entries(), wishes.truncate);
    await printList(page, list, { format: wishes.format, quiet: false });
    const lines = frame.split("\n").map((line) => `${line}${ESCAPE.restOfLine}\n`);
    await cli.out.write(`${ESCAPE.home}${lines.join("")}${ESCAPE.restOfScreen}`);
  } while (await isBefore(ended, REDRAW_MS));
}

/** False when `ended` settles first; its failure is thrown. */
async function isBefore(ended: Promise<void>, ms: number): Promise<boolean> {
  const { promise: due, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(true), ms);
  try {
    return await Promise.race([due, ended.then(() => false)]);
  } finally {
    clearTimeout(timer);
  }
}
