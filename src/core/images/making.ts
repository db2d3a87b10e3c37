/** What every way to a new image shares: load and import now, pull and build with the same words. */
import { isDiskFull, type Room } from "../../base/disk-full.ts";
import { fail, GantryError, messageOf } from "../../base/errors.ts";
import type { ImageConfig } from "../../specs/oci-image/image-config.ts";
import type { Reference } from "../../specs/oci-image/reference.ts";
import type { Content } from "../content/content.ts";
import type { Leases } from "../metadata/leases.ts";
import type { Snapshotter } from "../snapshots/snapshotter.ts";
import type { ExpansionLimits } from "../unpack/expansion.ts";
import type { DocumentRef, ImageLayer, LoadedImage } from "./images.ts";

export interface MakingDeps {
  readonly content: Content;
  readonly snapshots: Snapshotter;
  readonly leases: Leases;
  /** As image configurations spell it: "amd64", "arm64", "riscv64". */
  readonly architecture: string;
  readonly expansion: ExpansionLimits;
  /** Whether more can be had on a full disk. */
  readonly room?: Room | undefined;
  /** Enters images whose parts are all there and held by a lease: the moment from which they exist. All or none. */
  readonly add: (images: readonly CompleteImage[]) => readonly LoadedImage[];
}

export interface CompleteImage {
  /** Digest of the configuration. */
  readonly id: string;
  readonly config: ImageConfig;
  /** Base first. */
  readonly layers: readonly ImageLayer[];
  /** The manifest it came by, already stored; its layers' blobs are `layers`. */
  readonly manifest: DocumentRef | undefined;
  readonly names: readonly Reference[];
  /** What the names stand for: the manifest, or an index that leads to it; already stored. */
  readonly target?: DocumentRef | undefined;
  /** Manifests and blobs of attestations, already stored; those that it had before stay. */
  readonly attestations?: readonly string[];
  /** The target was had from the names' registry. */
  readonly inRegistry?: boolean;
}

/** A stream of one chunk. */
export async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The one clear error for whatever ended the making of an image; `action` as in "load the archive". */
export function cannotMake(action: string, error: unknown): Error {
  if (isDiskFull(error)) return fail("unavailable", `cannot ${action}: no space left on device`, error);
  if (error instanceof GantryError) return error;
  return fail("internal", `cannot ${action}: ${messageOf(error)}`, error);
}
