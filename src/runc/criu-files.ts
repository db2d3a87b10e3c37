/** What lies beside criu's images: its log, and the names of the standard streams. */
import { closeSync, fstatSync, mkdirSync, openSync, readSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { errnoOf, fail } from "../base/errors.ts";
import { parseExactJson } from "../specs/exact-json.ts";
import type { Context } from "./context.ts";
import type { CriuPlaces } from "./criu.ts";
import { readDocument } from "./files.ts";
import type { Flags } from "./flags.ts";

/** runc's name and form: an array of three strings. */
const STREAMS_FILE = "descriptors.json";
const MAX_STREAMS_BYTES = 4096;
const LOG_TAIL_BYTES = 16_384;
const QUOTED_LINES = 3;

/** Absolute; made, private, when `make` is set. Throws `invalid_argument` for images that are not there. */
export function criuPlaces({ workingDirectory }: Context, flags: Flags, make: boolean): CriuPlaces {
  const images = resolve(workingDirectory, flags.text("image-path") || "checkpoint");
  const work = flags.text("work-path") === "" ? images : resolve(workingDirectory, flags.text("work-path"));
  if (make) makeDirectory(images);
  else if (statSync(images, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw fail("invalid_argument", `there is no directory "${images}" with a checkpoint`);
  if (work !== images) makeDirectory(work);
  return { images, work };
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
}

export function writeStreams(images: string, streams: readonly string[]): void {
  writeFileSync(join(images, STREAMS_FILE), `${JSON.stringify(streams)}\n`, { mode: 0o600 });
}

/** Names of criu's alone: the file may come from anywhere. Others, such as runc's paths, mean nothing to inherit. */
export function readStreams(images: string): string[] {
  const text = readDocument(join(images, STREAMS_FILE), MAX_STREAMS_BYTES);
  let value: unknown;
  try {
    value = parseExactJson(text);
  } catch (cause) {
    throw fail("invalid_argument", `"${STREAMS_FILE}" of the checkpoint is no JSON`, cause);
  }
  if (!Array.isArray(value) || value.length > 3)
    throw fail("invalid_argument", `"${STREAMS_FILE}" of the checkpoint is no list of three names`);
  return value.map((name: unknown) =>
    typeof name === "string" && /^(pipe:\[\d+\]|(tty|file)\[[\da-f]+:[\da-f]+\])$/.test(name) ? name : "",
  );
}

/**
 * ": " and the last lines that tell of an error; "" when there are none. criu writes to standard error as long as it has not
 * opened its log, which may be an earlier one's then.
 */
export function lastErrors(stderr: string, work: string, log: string): string {
  const early = errorsIn(stderr);
  const lines = early.length > 0 ? early : errorsIn(tailOf(join(work, log)));
  return lines.length === 0 ? "" : `: ${lines.slice(-QUOTED_LINES).join("; ")}`;
}

function errorsIn(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const at = line.indexOf("Error (");
    return at < 0 ? [] : [line.slice(at, at + 300)];
  });
}

function tailOf(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "";
    throw error;
  }
  try {
    const buffer = Buffer.alloc(LOG_TAIL_BYTES);
    const at = Math.max(0, fstatSync(fd).size - LOG_TAIL_BYTES);
    return buffer.toString("utf8", 0, readSync(fd, buffer, 0, buffer.length, at));
  } finally {
    closeSync(fd);
  }
}
