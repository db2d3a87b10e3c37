/** What the daemon and its shims hold, and what a large layer makes it hold. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import type { Engine } from "../test/support/engine.ts";
import { largeArchive } from "./archives.ts";

export interface MemoryBudget {
  readonly budgetMb?: number;
}

/** Kilobytes of PSS of one process. */
function pssKb(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]);
}

export function residentKb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

export function memoryRow(
  what: string,
  kilobytes: number,
  { budgetMb }: MemoryBudget,
  dockerKb?: number,
): string {
  const judged =
    budgetMb === undefined
      ? " | "
      : `${budgetMb} MB | ${kilobytes <= budgetMb * 1024 ? "met" : "**missed**"}`;
  const docker = dockerKb === undefined ? "" : `${(dockerKb / 1024).toFixed(2)} MB`;
  return `| ${what} | ${(kilobytes / 1024).toFixed(2)} MB | ${docker} | | ${judged} |`;
}

/** The shims of ten running containers. */
export async function shimPssKb(engine: Engine): Promise<number> {
  const ids = await Promise.all(
    Array.from({ length: 10 }, () =>
      engine.ok(["run", "-d", "--network", "none", "busybox", "sleep", "1000"]),
    ),
  );
  await new Promise((resolve) => setTimeout(resolve, 2000)); // a quiet shim gives pages back after a second
  const shims = readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/comm`, "utf8") === "gantry-shim\n";
    } catch {
      return false;
    }
  });
  const sizes = shims.map((pid) => pssKb(Number(pid))).toSorted((a, b) => a - b);
  await engine.ok(["rm", "-f", ...ids]);
  return sizes[Math.floor(sizes.length / 2)] ?? 0;
}

/** Runs a command on a contestant's host: a whole argument list. */
export type Where = readonly string[];

/**
 * By how many kilobytes the peak of the daemon is above what it held before a layer of 2 GiB was loaded. `pid` is a shell
 * word on its host.
 */
export async function loadGrowthKb(where: Where, cli: string, pid: string): Promise<number> {
  const before = await shellOn(where, `echo 5 > /proc/${pid}/clear_refs; grep VmRSS /proc/${pid}/status`);
  await shellOn(where, `${cli} load -q >/dev/null`, largeArchive());
  const after = await shellOn(where, `grep VmHWM /proc/${pid}/status; ${cli} rmi -f large:1 >/dev/null`);
  return kilobytesIn(after) - kilobytesIn(before);
}

function kilobytesIn(text: string): number {
  return Number(/(\d+) kB/.exec(text)?.[1]);
}

async function shellOn(where: Where, line: string, input: Iterable<Uint8Array> = []): Promise<string> {
  const [program, ...rest] = [...where, "sh", "-c", line];
  const child = spawn(program, rest, { stdio: ["pipe", "pipe", "inherit"] });
  const closed = new Promise<number | null>((resolve) => child.once("close", resolve));
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  child.stdin.on("error", () => {}); // it ended early: its exit code tells
  for (const piece of input)
    if (!child.stdin.write(piece)) await new Promise((resolve) => child.stdin.once("drain", resolve));
  child.stdin.end();
  if ((await closed) !== 0) throw new Error(`failed: ${line}`);
  return said;
}
