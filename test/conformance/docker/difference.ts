/** What differs between two recordings, line by line, and which reason explains it. Pure. */
import { type Ours, recorded } from "./golden.ts";
import type { Step } from "./transcript.ts";

export interface Difference {
  readonly command: RegExp;
  /** Of what either says, with its mark (transcript.ts); all of them when absent. */
  readonly lines?: RegExp;
  /** What is different, and why it stays so. */
  readonly reason: string;
}

export interface Differing {
  readonly command: string;
  /** Lines that only one of the two says; none when they say the same in another order. */
  readonly lines: readonly string[];
}

/** The steps of a section that ours answers otherwise than Docker. */
export function differing(ours: Ours, section: string): readonly Differing[] {
  const docker = new Map(recorded("docker", section).map((step) => [step.command, step]));
  return recorded(ours, section).map(({ command, said }) => {
    const theirs = docker.get(command)?.said ?? [];
    return { command, lines: [...without(theirs, said), ...without(said, theirs)] };
  });
}

/** Lines of one that the other has not, as often as it has them. */
function without(said: Step["said"], other: Step["said"]): readonly string[] {
  const left = new Map<string, number>();
  for (const line of other) left.set(line, (left.get(line) ?? 0) + 1);
  return said.filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
}

export function explains({ command, lines }: Difference, step: Differing, line: string): boolean {
  return command.test(step.command) && (lines === undefined || lines.test(line));
}

/** Lines that no row explains; a step that differs in order alone needs a row for all its lines. */
export function unexplained(rows: readonly Difference[], step: Differing): readonly string[] {
  const lines = step.lines.length === 0 ? [""] : step.lines;
  return lines.filter((line) => !rows.some((row) => explains(row, step, line)));
}
