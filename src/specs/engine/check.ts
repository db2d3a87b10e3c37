/** POST /system/check: Gantry's own. One JSON object a line: progress, problems, and at the end a summary or an error. */

export type ProblemKind =
  | "damaged-blob"
  | "missing-blob"
  | "damaged-layer"
  | "missing-layer"
  | "wrong-image"
  | "damaged-image"
  | "foreign-file"
  | "unneeded-blob"
  | "unneeded-layer"
  | "stale-partial"
  | "orphan-snapshot"
  | "missing-snapshot"
  | "permissions";

export interface Problem {
  readonly kind: ProblemKind;
  /** A digest, chainID, image or container id, name of a partial blob, or path. */
  readonly subject: string;
  readonly detail: string;
  /** Ids of the images that it hurts. */
  readonly images: readonly string[];
  readonly isMended: boolean;
  /** What the user can do, when it is not mended; "" = repair it. */
  readonly advice: string;
}

export type CheckStep = "directories" | "blobs" | "images" | "layers" | "containers" | "garbage";

export type CheckMessage =
  | { readonly progress: { readonly step: CheckStep; readonly current: number; readonly total: number } }
  | { readonly problem: Problem }
  | { readonly summary: { readonly problems: number; readonly mended: number } }
  | { readonly error: string };
