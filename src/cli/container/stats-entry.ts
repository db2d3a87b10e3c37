/** From the engine's document to the row that `stats` shows. Pure; the arithmetic is Docker's. */
import { formatBinarySize, formatDecimalSize } from "../../base/units.ts";
import { child, children, type Fields, isFields, list, number, text } from "../../client/fields.ts";
import type { ListSpec } from "../output/list.ts";
import { shortId } from "../output/text.ts";

export interface StatsEntry {
  /** As it was asked for. */
  readonly container: string;
  readonly name: string;
  readonly id: string;
  /** Undefined: nothing is known, or nothing any more. */
  readonly usage: Usage | undefined;
}

export interface Usage {
  /** 100 is one processor. */
  readonly cpuPercent: number;
  readonly memory: number;
  readonly memoryLimit: number;
  readonly received: number;
  readonly sent: number;
  readonly blockRead: number;
  readonly blockWritten: number;
  readonly processes: number;
}

export function entryOf(container: string, document: Fields): StatsEntry {
  const memory = child(document, "memory_stats");
  const networks = Object.values(child(document, "networks")).filter(isFields);
  const blocks = children(child(document, "blkio_stats"), "io_service_bytes_recursive");
  return {
    container,
    name: text(document, "name"),
    id: text(document, "id"),
    usage: {
      cpuPercent: cpuPercent(child(document, "precpu_stats"), child(document, "cpu_stats")),
      memory: memoryWithoutCache(memory),
      memoryLimit: number(memory, "limit"),
      received: sum(networks, "rx_bytes"),
      sent: sum(networks, "tx_bytes"),
      blockRead: sum(blocks.filter(isOperation("r")), "value"),
      blockWritten: sum(blocks.filter(isOperation("w")), "value"),
      processes: number(child(document, "pids_stats"), "current"),
    },
  };
}

function sum(rows: readonly Fields[], key: string): number {
  return rows.reduce((total, row) => total + number(row, key), 0);
}

/** "Read" of cgroup v1, "read" of v2. */
function isOperation(letter: string): (row: Fields) => boolean {
  return (row) => text(row, "op").toLowerCase().startsWith(letter);
}

/** The container's part of what all processors together did meanwhile. */
function cpuPercent(before: Fields, now: Fields): number {
  const usage = child(now, "cpu_usage");
  const used = number(usage, "total_usage") - number(child(before, "cpu_usage"), "total_usage");
  const passed = number(now, "system_cpu_usage") - number(before, "system_cpu_usage");
  const processors = number(now, "online_cpus") || list(usage, "percpu_usage").length;
  return used > 0 && passed > 0 ? (used / passed) * processors * 100 : 0;
}

/** What the kernel would give back first is not what the container needs: cgroup v1 and v2 name it differently. */
function memoryWithoutCache(memory: Fields): number {
  const usage = number(memory, "usage");
  const stats = child(memory, "stats");
  for (const key of ["total_inactive_file", "inactive_file"])
    if (Object.hasOwn(stats, key) && number(stats, key) < usage) return usage - number(stats, key);
  return usage;
}

const NOTHING = "--";

export function statsList(rows: readonly StatsEntry[], truncate: boolean): ListSpec<StatsEntry> {
  const known = (show: (usage: Usage) => string, otherwise = NOTHING) => {
    return ({ usage }: StatsEntry): string => (usage === undefined ? otherwise : show(usage));
  };
  return {
    rows,
    fields: [
      { name: "Container", header: "CONTAINER", text: ({ container }) => container },
      { name: "ID", header: "CONTAINER ID", text: ({ id }) => (truncate ? shortId(id) : id) },
      { name: "Name", header: "NAME", text: ({ name }) => name.replace(/^\//, "") || NOTHING },
      { name: "CPUPerc", header: "CPU %", text: known(({ cpuPercent: used }) => percentage(used)) },
      {
        name: "MemUsage",
        header: "MEM USAGE / LIMIT",
        text: known(
          ({ memory, memoryLimit }) => `${formatBinarySize(memory)} / ${formatBinarySize(memoryLimit)}`,
          `${NOTHING} / ${NOTHING}`,
        ),
      },
      {
        name: "MemPerc",
        header: "MEM %",
        text: known(({ memory, memoryLimit }) =>
          percentage(memoryLimit === 0 ? 0 : (memory / memoryLimit) * 100),
        ),
      },
      { name: "NetIO", header: "NET I/O", text: known(({ received, sent }) => both(received, sent)) },
      {
        name: "BlockIO",
        header: "BLOCK I/O",
        text: known(({ blockRead, blockWritten }) => both(blockRead, blockWritten)),
      },
      { name: "PIDs", header: "PIDS", text: known(({ processes }) => String(processes)) },
    ],
    columns: ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"],
    identity: "ID",
    typeName: "*container.statsContext",
  };
}

function percentage(value: number): string {
  return `${value.toFixed(2)}%`;
}

function both(one: number, other: number): string {
  return `${formatDecimalSize(one, 3)} / ${formatDecimalSize(other, 3)}`;
}
