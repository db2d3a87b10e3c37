/**
 * `linux.intelRdt`: groups of the resctrl file system, in which a container's processes get a part of the caches and of
 * the memory bandwidth. The kernel's Documentation/filesystems/resctrl.rst; runtime-spec config-linux.md, "IntelRdt".
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { posix } from "node:path";
import { errnoOf, fail } from "../base/errors.ts";
import type { IntelRdt } from "../specs/oci-runtime/resources.ts";

export interface RdtGroup {
  readonly dir: string;
  /** Made and removed with the container (rmdir, whoever is in it, as for `monitorDir`); else it is shared by all that name it, and stays. */
  readonly isOwn: boolean;
  /** What to write to its `schemata`; undefined: nothing. */
  readonly schemata?: string;
  /** A group for measuring this container alone, below `dir`. */
  readonly monitorDir?: string;
}

/** Names that resctrl uses itself. */
const RESERVED: ReadonlySet<string> = new Set([".", "..", "info", "mon_groups", "mon_data"]);

/** `root`: where resctrl is mounted. Throws `invalid_argument` when it is not, and for what no group can be. */
export function rdtGroup(rdt: IntelRdt, id: string, root: string | undefined): RdtGroup {
  if (root === undefined)
    throw fail("invalid_argument", "linux.intelRdt needs a mounted resctrl file system, and there is none");
  const closId = rdt.closID ?? "";
  const lines = schemataLines(rdt);
  if (closId === "/" && lines.length > 0)
    throw fail("invalid_argument", 'linux.intelRdt cannot change the default class of service, "/"');
  const name = closId === "" ? id : closId;
  if (name !== "/" && (RESERVED.has(name) || !/^[^\s/\0]{1,255}$/.test(name)))
    throw fail(
      "invalid_argument",
      `linux.intelRdt.closID ${JSON.stringify(name.slice(0, 100))} is not a name`,
    );
  const dir = name === "/" ? root : posix.join(root, name);
  return {
    dir,
    isOwn: closId === "",
    ...(lines.length === 0 ? {} : { schemata: `${lines.join("\n")}\n` }),
    ...(rdt.enableMonitoring === true ? { monitorDir: posix.join(dir, "mon_groups", id) } : {}),
  };
}

/** In the order of the specification: the later line of a resource wins; memory bandwidth has a property of its own. */
function schemataLines({ l3CacheSchema = "", memBwSchema = "", schemata = [] }: IntelRdt): string[] {
  if (memBwSchema !== "" && (!memBwSchema.startsWith("MB:") || memBwSchema.includes("\n")))
    throw fail("invalid_argument", 'linux.intelRdt.memBwSchema is not one line that begins with "MB:"');
  const cache = l3CacheSchema.split("\n").filter((line) => memBwSchema === "" || !/^\s*MB:/.test(line));
  return [...cache, memBwSchema, ...schemata].filter((line) => line.trim() !== "");
}

/**
 * Makes a shared group ready, before a plan that joins it: a new one gets the schemata, one that is there must have them
 * already, and without schemata it must be there. Throws `invalid_argument`. A crash in between leaves a group that the
 * next start finds different, and says so.
 */
export function readyRdtGroup({ dir, isOwn, schemata }: RdtGroup): void {
  if (isOwn) return;
  const exists = existsSync(dir);
  if (schemata === undefined) {
    if (!exists) throw fail("invalid_argument", `the class of service "${dir}" does not exist`);
    return;
  }
  if (exists) {
    checkSchemata(dir, schemata);
    return;
  }
  mkdirSync(dir);
  try {
    writeFileSync(posix.join(dir, "schemata"), schemata, { flag: "r+" });
  } catch (cause) {
    rmdirSync(dir);
    throw fail(
      "invalid_argument",
      `"${dir}" does not take ${JSON.stringify(schemata)}${lastStatus(dir)}`,
      cause,
    );
  }
}

/**
 * New lines for the class of a living container; a shared class changes for all that are in it, as with runc. Throws
 * `invalid_argument` for the default class, or in the kernel's words for what it does not take; `not_found` for a class that
 * is gone.
 */
export function changeRdtGroup(
  { dir }: RdtGroup,
  change: Pick<IntelRdt, "l3CacheSchema" | "memBwSchema">,
): void {
  if (existsSync(posix.join(dir, "info")))
    throw fail("invalid_argument", "the default class of service cannot be changed");
  const lines = schemataLines(change).join("\n");
  try {
    writeFileSync(posix.join(dir, "schemata"), `${lines}\n`, { flag: "r+" });
  } catch (cause) {
    const category = errnoOf(cause) === "ENOENT" ? "not_found" : "invalid_argument";
    throw fail(category, `"${dir}" does not take ${JSON.stringify(lines)}${lastStatus(dir)}`, cause);
  }
}

/** resctrl explains its last refusal. */
function lastStatus(dir: string): string {
  const file = posix.join(dir, "../info/last_cmd_status");
  return existsSync(file) ? `: ${readFileSync(file, "utf8").trim()}` : "";
}

function checkSchemata(dir: string, wanted: string): void {
  const present = parseSchemata(readFileSync(posix.join(dir, "schemata"), "utf8"));
  for (const [domain, value] of parseSchemata(wanted))
    if (present.get(domain) !== value)
      throw fail(
        "invalid_argument",
        `"${dir}" has ${present.get(domain) ?? "nothing"} and not ${value} for ${domain} in its schemata`,
      );
}

/** "L3:0=0ff;1=f" → "L3:0" is ff, "L3:1" is f: what is read back is not what was written, letter by letter. */
export function parseSchemata(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [resource = "", ...domains] = line.trim().split(/[:;]/);
    for (const domain of domains) {
      const [id = "", value = ""] = domain.split("=").map((part) => part.trim());
      values.set(`${resource}:${Number(id)}`, value.toLowerCase().replace(/^0+(?=.)/, ""));
    }
  }
  return values;
}
