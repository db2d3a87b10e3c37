/** What is written about a container of another runtime, by us and by the runtime. Pure. */
import { fail } from "../../base/errors.ts";
import type { RootfsMount } from "../snapshots/snapshotter.ts";
import type { RuntimeProgram } from "./tasks.ts";

/** `runtime.json`: what it takes to ask the runtime again, whatever the daemon's configuration says by then. */
export interface ForeignRecord {
  /** With its absolute path. */
  readonly program: RuntimeProgram;
  /** Where users of further processes are looked up. */
  readonly rootfs: RootfsMount;
}

export function encodeRecord(record: ForeignRecord): string {
  return JSON.stringify(record);
}

/** Throws `internal`. */
export function decodeRecord(text: string): ForeignRecord {
  const { program, rootfs } = objectOf(parse(text));
  const { path, args } = objectOf(program);
  return {
    program: { path: textOf(path), args: textsOf(args) },
    rootfs: rootfsOf(objectOf(rootfs)),
  };
}

function rootfsOf({
  kind,
  source,
  lowers,
  images,
  upper,
  work,
}: Readonly<Record<string, unknown>>): RootfsMount {
  if (kind === "bind") return { kind, source: textOf(source) };
  if (kind !== "overlay" || typeof (images ?? false) !== "boolean") throw damaged();
  const layers = { kind, lowers: textsOf(lowers), upper: textOf(upper), work: textOf(work) } as const;
  return images === true ? { ...layers, images } : layers;
}

/** The message of the last error in a runtime's JSON log; undefined when there is none. */
export function lastWords(log: string): string | undefined {
  for (const line of log.split("\n").toReversed()) {
    const entry = entryOf(line);
    if (entry !== undefined) return entry;
  }
  return undefined;
}

function entryOf(line: string): string | undefined {
  try {
    const { level, msg } = objectOf(parse(line));
    return (level === "error" || level === "fatal") && typeof msg === "string" && msg !== ""
      ? msg.trim()
      : undefined;
  } catch {
    return undefined; // the first line of a piece is cut, and a runtime's --debug may print anything
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw damaged(cause);
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) throw damaged();
  return { ...value };
}

function textOf(value: unknown): string {
  if (typeof value !== "string") throw damaged();
  return value;
}

function textsOf(value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw damaged();
  return value.map(textOf);
}

function damaged(cause?: unknown): Error {
  return fail("internal", 'the record "runtime.json" is damaged', cause);
}
