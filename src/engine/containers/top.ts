/** GET /containers/{id}/top: the host's `ps`, restricted to the container's processes. */
import { fail } from "../../base/errors.ts";
import type { ProgramResult } from "../../base/process.ts";
import type { ContainerTop } from "../../specs/engine/container.ts";
import { announce, type EventSink } from "./announce.ts";
import type { Container } from "./container.ts";
import { notRunning } from "./signal-task.ts";

export interface TopDeps {
  readonly events: EventSink;
  readonly processesOf: (pid: number) => Promise<readonly number[]>;
  readonly runPs: (args: readonly string[]) => Promise<ProgramResult>;
}

const DEFAULT_ARGS = "-ef";

/** Throws `conflict` when nothing runs, `invalid_argument` for arguments that hide the PID column. */
export async function top(deps: TopDeps, container: Container, psArgs: string): Promise<ContainerTop> {
  const { task } = container;
  if (container.state.status === "restarting")
    throw fail("conflict", `Container ${container.id} is restarting, wait until the container is running`);
  if (task === undefined) throw notRunning(container);
  const args = (psArgs === "" ? DEFAULT_ARGS : psArgs).split(/\s+/).filter((word) => word !== "");
  for (const word of args)
    if (/pid=|\0/i.test(word))
      throw fail("invalid_argument", `specifying ${JSON.stringify(word)} is not allowed`);
  const pids = await deps.processesOf(task.pid);
  if (pids.length === 0) throw notRunning(container);
  // Two forms, as not every selection can be combined with a list of processes.
  let result = await deps.runPs(["-q", pids.join(","), ...args]);
  if (result.exitCode !== 0) result = await deps.runPs(args);
  if (result.exitCode !== 0)
    throw fail("internal", `ps: ${result.stderr.trim().split("\n", 1)[0] ?? "failed"}`);
  announce(deps.events, container, "top");
  return parsePs(result.stdout, new Set(pids));
}

/** The table of `ps`; its last column may contain blanks. Throws `internal` without a PID column. */
export function parsePs(output: string, pids: ReadonlySet<number>): ContainerTop {
  const [head = "", ...lines] = output.split("\n");
  const titles = head.trim().split(/\s+/);
  const pidColumn = titles.indexOf("PID");
  if (pidColumn < 0) throw fail("internal", "Couldn't find PID field in ps output");
  const processes: string[][] = [];
  let isOurs = false;
  for (const line of lines) {
    if (line.trim() === "") continue;
    const words = line.trim().split(/\s+/);
    const pid = words[pidColumn] ?? "";
    if (pid === "-") {
      // a thread of the process above it (`-m`)
      if (isOurs) processes.push(cells(words, titles.length));
      continue;
    }
    isOurs = pids.has(Number(pid));
    if (isOurs) processes.push(cells(words, titles.length));
  }
  return { Titles: titles, Processes: processes };
}

function cells(words: readonly string[], columns: number): string[] {
  if (words.length <= columns) return [...words];
  return [...words.slice(0, columns - 1), words.slice(columns - 1).join(" ")];
}
