/**
 * The mark that makes a directory a committed layer: `complete`, written with the layer's content and synced with it,
 * before the directory gets its name.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../base/errors.ts";
import { isDigest } from "../../specs/oci-image/digest.ts";
import type { SnapshotUsage } from "./snapshotter.ts";

export interface LayerMark {
  readonly parent: string | undefined;
  readonly usage: SnapshotUsage;
}

export function encodeMark(mark: LayerMark): string {
  return JSON.stringify({
    parent: mark.parent ?? null,
    sizeBytes: mark.usage.sizeBytes,
    inodes: mark.usage.inodes,
  });
}

/** undefined = no mark: torn or foreign. */
function decodeMark(text: string): LayerMark | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  if (!("parent" in value && "sizeBytes" in value && "inodes" in value)) return undefined;
  const { parent, sizeBytes, inodes } = value;
  if (parent !== null && !(typeof parent === "string" && isDigest(parent))) return undefined;
  if (typeof sizeBytes !== "number" || typeof inodes !== "number") return undefined;
  return { parent: parent ?? undefined, usage: { sizeBytes, inodes } };
}

/** The marks of all layers in a directory, by chainID, and the names of entries that have none. */
export function readMarks(directory: string): {
  readonly marks: Map<string, LayerMark>;
  readonly unmarked: readonly string[];
} {
  const marks = new Map<string, LayerMark>();
  const unmarked: string[] = [];
  for (const name of readdirSync(directory)) {
    const chainId = `sha256:${name}`;
    const mark = isDigest(chainId) ? readMark(join(directory, name)) : undefined;
    if (mark === undefined) unmarked.push(name);
    else marks.set(chainId, mark);
  }
  return { marks, unmarked };
}

/** undefined when there is none. */
export function readMark(layer: string): LayerMark | undefined {
  try {
    return decodeMark(readFileSync(join(layer, "complete"), "utf8"));
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}
