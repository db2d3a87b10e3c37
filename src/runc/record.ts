/** container.json and pid: what is written is read back strictly; a file that is damaged says so. */
import { fail } from "../base/errors.ts";
import type { ProcessIdentity } from "../linux/process-state.ts";
import { parseExactJson } from "../specs/exact-json.ts";

export interface ContainerRecord {
  readonly ociVersion: string;
  /** Absolute. */
  readonly bundle: string;
  readonly rootfs: string;
  /** RFC 3339 with nanoseconds. */
  readonly created: string;
  /** Uid of who created it. */
  readonly owner: number;
  /** Until the container is created, the process that does it; afterwards of meaning only for a `run` that waits. */
  readonly creator: ProcessIdentity;
  readonly annotations: Readonly<Record<string, string>>;
  /** The directories that belong to this container alone: all that is in them may be killed. */
  readonly cgroupDirs: readonly string[];
  /** The unit of systemd's that the cgroup is; undefined: we made it ourselves. */
  readonly scope?: string;
  /** Whether it has a class of service (`linux.intelRdt`). */
  readonly hasRdt: boolean;
  /** What `start` and `delete` have to do besides: hooks, and handing a descriptor to a seccomp agent. */
  readonly needsStartPlan: boolean;
  readonly hasPoststop: boolean;
  /** The text of config.json when the container was created: a string, since few verbs look into it. */
  readonly config: string;
}

export function encodeRecord(record: ContainerRecord): string {
  const { pid, startTicks } = record.creator;
  return `${JSON.stringify({ ...record, creator: { pid, startTicks: Number(startTicks) } })}\n`;
}

export function decodeRecord(text: string): ContainerRecord {
  const value = objectOf(parse(text));
  return {
    ociVersion: textOf(value, "ociVersion"),
    bundle: textOf(value, "bundle"),
    rootfs: textOf(value, "rootfs"),
    created: textOf(value, "created"),
    owner: countOf(value, "owner"),
    creator: identity(objectOf(value["creator"])),
    annotations: annotationsOf(value["annotations"]),
    cgroupDirs: directoriesOf(value["cgroupDirs"]),
    ...(value["scope"] === undefined ? {} : { scope: textOf(value, "scope") }),
    hasRdt: value["hasRdt"] === true,
    needsStartPlan: value["needsStartPlan"] === true,
    hasPoststop: value["hasPoststop"] === true,
    config: textOf(value, "config"),
  };
}

/** {"pid":N,"startTicks":N}: native/include/record.h */
export function decodePidRecord(text: string): ProcessIdentity {
  return identity(objectOf(parse(text)));
}

function parse(text: string): unknown {
  try {
    return parseExactJson(text);
  } catch (cause) {
    throw fail("internal", "a state file is damaged: it is no JSON", cause);
  }
}

type Fields = Readonly<Record<string, unknown>>;

function objectOf(value: unknown): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw damaged("object");
  return { ...value };
}

function identity(fields: Fields): ProcessIdentity {
  const pid = countOf(fields, "pid");
  if (pid === 0) throw damaged("pid");
  return { pid, startTicks: BigInt(countOf(fields, "startTicks")) };
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== "string") throw damaged(name);
  return value;
}

function countOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw damaged(name);
  return value;
}

function directoriesOf(value: unknown): string[] {
  if (!Array.isArray(value)) throw damaged("cgroupDirs");
  return value.map((each: unknown) => {
    if (typeof each !== "string" || !each.startsWith("/")) throw damaged("cgroupDirs");
    return each;
  });
}

function annotationsOf(value: unknown): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, text] of Object.entries(objectOf(value))) {
    if (typeof text !== "string") throw damaged("annotations");
    found[name] = text;
  }
  return found;
}

function damaged(what: string): Error {
  return fail("internal", `a state file is damaged: ${what}`);
}
