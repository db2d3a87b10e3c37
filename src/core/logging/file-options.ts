/** The options of the files that shims write: json-file's, local's, and `cache-*` of the drivers that send. Pure. */
import { messageOf } from "../../base/errors.ts";
import { boolean, fileSize, integer, type LogOptions, memorySize, wrong } from "./option-values.ts";

export interface FileLimits {
  /** 0 = never rotate. */
  readonly maxBytes: number;
  readonly maxFiles: number;
  readonly compress: boolean;
}

const LOCAL_BYTES = 20 << 20;
const LOCAL_FILES = 5;
/** Names are looked through one by one. */
const MOST_FILES = 10_000;

/** Throws `invalid_argument`. */
export function jsonFileLimits(options: LogOptions): FileLimits {
  const size = options.get("max-size");
  const maxBytes = size === undefined ? 0 : fileSize(size);
  if (size !== undefined && maxBytes <= 0) throw wrong("max-size must be a positive number");
  const maxFiles = integer(options.get("max-file") ?? "1");
  if (maxFiles < 1) throw wrong("max-file cannot be less than 1");
  const compress = boolean(options.get("compress") ?? "false");
  if (compress && (maxFiles === 1 || size === undefined))
    throw wrong("compress cannot be true when max-file is less than 2 or max-size is not set");
  return { maxBytes, maxFiles: bounded(maxFiles), compress };
}

/** `prefix`: "" for the driver's own, "cache-" of those that send. Throws `invalid_argument`. */
export function localLimits(options: LogOptions, prefix: "" | "cache-"): FileLimits {
  const read = <T>(name: string, parse: (text: string) => T, absent: T): T => {
    const text = options.get(prefix + name);
    if (text === undefined) return absent;
    try {
      return parse(text);
    } catch (error) {
      const value =
        name === "compress" ? "invalid boolean value for compress" : `invalid value for ${name}: ${text}`;
      throw wrong(`${value}: ${messageOf(error)}`, error);
    }
  };
  const maxBytes = read("max-size", fileSize, LOCAL_BYTES);
  const maxFiles = read("max-file", integer, LOCAL_FILES);
  const compress = read("compress", boolean, true);
  if (maxBytes <= 0) throw wrong(`${prefix}max-size must be a positive number`);
  if (maxFiles < 1) throw wrong(`${prefix}max-file cannot be less than 1`);
  if (compress && maxFiles === 1) throw wrong("compression cannot be enabled when max file count is 1");
  return { maxBytes, maxFiles: bounded(maxFiles), compress };
}

/** So many files that the newest of them hold at least `bytes`, whatever was said about their number. */
export function holding(limits: FileLimits, bytes: number): FileLimits {
  // The file that is written to may have just begun.
  const needed = 1 + Math.ceil(bytes / limits.maxBytes);
  return bytes === 0 || needed <= limits.maxFiles ? limits : { ...limits, maxFiles: bounded(needed) };
}

/** `mode` and `max-buffer-size`: what must be able to wait for a sink; 0 = not said. Throws `invalid_argument`. */
export function bufferBytes(options: LogOptions): number {
  const mode = options.get("mode") ?? "";
  if (!["", "blocking", "non-blocking"].includes(mode))
    throw wrong(`logger: logging mode not supported: ${mode}`);
  const size = options.get("max-buffer-size");
  if (size === undefined) return 0;
  if (mode !== "non-blocking")
    throw wrong("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  try {
    return memorySize(size);
  } catch (error) {
    throw wrong(`error parsing option max-buffer-size: ${messageOf(error)}`, error);
  }
}

/** `cache-disabled`. Throws `invalid_argument`. */
export function isCacheDisabled(options: LogOptions): boolean {
  const text = options.get("cache-disabled") ?? "";
  if (text === "") return false;
  try {
    return boolean(text);
  } catch (error) {
    throw wrong(`invalid value for option cache-disabled: ${text}`, error);
  }
}

function bounded(files: number): number {
  if (files > MOST_FILES) throw wrong(`a log cannot have more than ${MOST_FILES} files`);
  return files;
}
