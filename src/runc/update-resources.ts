/** What `update` is asked to change: its flags, or a document as `linux.resources` in config.json. */
import { resolve } from "node:path";
import { fail } from "../base/errors.ts";
import { parseBinarySize } from "../base/units.ts";
import { decodeResourcesDocument } from "../specs/oci-runtime/decode-resources.ts";
import type { LinuxResources } from "../specs/oci-runtime/resources.ts";
import { readDocument, readStandardInput } from "./files.ts";
import type { Flag, Flags } from "./flags.ts";

export const UPDATE_FLAGS: readonly Flag[] = [
  {
    names: ["resources", "r"],
    kind: "text",
    help: 'take the limits from this JSON file ("-": standard input) and from no other flag',
  },
  { names: ["blkio-weight"], kind: "integer", help: "share of block I/O, 10 to 1000" },
  { names: ["cpu-period"], kind: "text", help: "length of a CPU period in microseconds" },
  { names: ["cpu-quota"], kind: "text", help: "CPU time in each period, in microseconds" },
  { names: ["cpu-burst"], kind: "text", help: "unused CPU time that may be saved up, in microseconds" },
  { names: ["cpu-share"], kind: "text", help: "share of CPU time" },
  { names: ["cpu-rt-period"], kind: "text", help: "length of a realtime period in microseconds" },
  { names: ["cpu-rt-runtime"], kind: "text", help: "realtime CPU time in each period, in microseconds" },
  { names: ["cpuset-cpus"], kind: "text", help: "CPUs to run on" },
  { names: ["cpuset-mems"], kind: "text", help: "memory nodes to use" },
  { names: ["cpu-idle"], kind: "text", help: "1: run only when nobody else does" },
  // Of no effect in runc either, which warns.
  { names: ["kernel-memory"], kind: "text" },
  { names: ["kernel-memory-tcp"], kind: "text" },
  { names: ["memory"], kind: "text", help: "memory limit; -1: none" },
  { names: ["memory-reservation"], kind: "text", help: "memory that is left to it when memory is short" },
  { names: ["memory-swap"], kind: "text", help: "limit of memory and swap together; -1: none" },
  { names: ["pids-limit"], kind: "integer", help: "number of processes and threads" },
  { names: ["l3-cache-schema"], kind: "text", help: "share of the cache, as resctrl's schemata" },
  { names: ["mem-bw-schema"], kind: "text", help: "share of the memory bandwidth, as resctrl's schemata" },
];

/** Throws `invalid_argument` naming the flag or the field. */
export function resourcesFrom(flags: Flags, workingDirectory: string): LinuxResources {
  const file = flags.text("resources");
  if (file === "") return fromFlags(flags);
  return decodeResourcesDocument(
    file === "-" ? readStandardInput() : readDocument(resolve(workingDirectory, file)),
  );
}

function fromFlags(flags: Flags): LinuxResources {
  const limit = size(flags, "memory");
  const swap = size(flags, "memory-swap");
  const memory = known({
    limit,
    reservation: size(flags, "memory-reservation"),
    // As runc: no limit of memory means none of swap, unless that is given.
    swap: swap ?? (limit === -1n ? -1n : undefined),
  });
  const cpu = known({
    shares: unsigned(flags, "cpu-share"),
    quota: signed(flags, "cpu-quota"),
    burst: unsigned(flags, "cpu-burst"),
    period: unsigned(flags, "cpu-period"),
    realtimeRuntime: signed(flags, "cpu-rt-runtime"),
    realtimePeriod: unsigned(flags, "cpu-rt-period"),
    cpus: flags.text("cpuset-cpus") || undefined,
    mems: flags.text("cpuset-mems") || undefined,
    idle: unsigned(flags, "cpu-idle"),
  });
  const pids = flags.integer("pids-limit") ?? 0;
  const weight = flags.integer("blkio-weight") ?? 0;
  return {
    ...(Object.keys(memory).length === 0 ? {} : { memory }),
    ...(Object.keys(cpu).length === 0 ? {} : { cpu }),
    ...(pids === 0 ? {} : { pids: { limit: BigInt(pids) } }),
    ...(weight === 0 ? {} : { blockIO: { weight } }),
  };
}

type Known<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function known<T extends object>(values: T): Known<T>;
function known(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** "" is as not given: runc's callers pass empty values. */
function signed(flags: Flags, name: string): bigint | undefined {
  const text = flags.text(name);
  if (text === "") return undefined;
  if (!/^-?\d{1,18}$/.test(text)) throw invalid(name, text);
  return BigInt(text);
}

function unsigned(flags: Flags, name: string): number | undefined {
  const text = flags.text(name);
  if (text === "") return undefined;
  if (!/^\d{1,15}$/.test(text)) throw invalid(name, text);
  return Number(text);
}

function size(flags: Flags, name: string): bigint | undefined {
  const text = flags.text(name);
  if (text === "") return undefined;
  const bytes = text === "-1" ? -1 : parseBinarySize(text);
  if (bytes === undefined) throw invalid(name, text);
  return BigInt(bytes);
}

function invalid(name: string, text: string): Error {
  return fail("invalid_argument", `invalid value for ${name}: ${JSON.stringify(text)}`);
}
