/**
 * The host's CDI devices: specifications in directories, later ones of which count more. They are read when somebody asks for a
 * device: drivers write them at any time.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseYaml } from "../base/bun-yaml.ts";
import { errnoOf, fail, messageOf } from "../base/errors.ts";
import { decodeCdiSpec } from "../specs/cdi/decode.ts";
import type { CdiDeviceNode, CdiSpec, ContainerEdits } from "../specs/cdi/spec.ts";
import { parseJson } from "../specs/engine/fields.decode.ts";
import type { LinuxDevice } from "../specs/oci-runtime/spec.ts";
import { hostNode } from "./device-nodes.ts";

const MAX_SPEC_BYTES = 4 << 20;
const MAX_SPECS = 1000;

export interface CdiDevice {
  readonly spec: CdiSpec;
  readonly edits: ContainerEdits;
}

export interface CdiDevices {
  /** By qualified name, "vendor.com/class=name". */
  readonly devices: ReadonlyMap<string, CdiDevice>;
  /** What could not be used of what is there, and why. */
  readonly faults: readonly string[];
}

interface Claim extends CdiDevice {
  readonly rank: number;
  readonly path: string;
}

/** A name that two specifications of one directory claim is nobody's. Never throws: what is wrong is among the faults. */
export function readCdiDevices(directories: readonly string[]): CdiDevices {
  const faults: string[] = [];
  const claims = new Map<string, Claim>();
  const contested = new Set<string>();
  for (const [rank, directory] of directories.entries())
    for (const path of specFiles(directory, faults)) {
      const spec = readSpec(path, faults);
      for (const { name, edits } of spec?.devices ?? []) {
        if (spec === undefined) continue;
        const qualified = `${spec.kind}=${name}`;
        const other = claims.get(qualified);
        if (other?.rank === rank) {
          faults.push(`conflicting device "${qualified}" (specs "${path}", "${other.path}")`);
          contested.add(qualified);
        } else {
          contested.delete(qualified);
          claims.set(qualified, { spec, edits, rank, path });
        }
      }
    }
  for (const name of contested) claims.delete(name);
  return { devices: claims, faults };
}

function specFiles(directory: string, faults: string[]): string[] {
  try {
    const names = readdirSync(directory).filter((name) => /\.(?:json|ya?ml)$/.test(name));
    if (names.length > MAX_SPECS) faults.push(`${directory}: only ${MAX_SPECS} specifications are read`);
    return names
      .sort()
      .slice(0, MAX_SPECS)
      .map((name) => join(directory, name));
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") faults.push(`${directory}: ${messageOf(error)}`);
    return [];
  }
}

function readSpec(path: string, faults: string[]): CdiSpec | undefined {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw fail("invalid_argument", "it is no file");
    if (stat.size > MAX_SPEC_BYTES)
      throw fail("invalid_argument", `it is larger than ${MAX_SPEC_BYTES} bytes`);
    const text = readFileSync(path, "utf8");
    return decodeCdiSpec(path.endsWith(".json") ? parseJson(text) : parseYaml(text));
  } catch (error) {
    faults.push(`${path}: ${messageOf(error)}`);
    return undefined;
  }
}

/** A node with all that the specification leaves to the host's. Throws `invalid_argument` when that is not there, or another kind. */
export function completeNode(node: CdiDeviceNode): LinuxDevice {
  const { hostPath, access: _, ...said } = node;
  if (said.type === "p") return { ...said, type: "p" };
  if (said.type !== undefined && said.major !== undefined) return { minor: 0, ...said, type: said.type };
  const found = hostNode(hostPath, node.path);
  if (found === undefined) throw fail("invalid_argument", `CDI device "${hostPath}" is no device node`);
  const { type, major, minor } = found;
  const isSame = said.type === undefined || type === (said.type === "u" ? "c" : said.type);
  if (!isSame)
    throw fail(
      "invalid_argument",
      `CDI device ("${node.path}", "${hostPath}"), host type mismatch (${said.type}, ${type})`,
    );
  return {
    ...said,
    type,
    ...(major === undefined ? {} : { major }),
    ...(minor === undefined ? {} : { minor }),
  };
}
