/**
 * Images: name → image, image → configuration and layers. The image id is the digest of its configuration, as with
 * Docker's graph drivers; names are full references ("docker.io/library/busybox:latest").
 *
 * On crash: an image exists when its row does, and its row is written last, when every blob and layer it needs is
 * complete. Garbage collection removes what no image, container or lease needs.
 */
import type { Readable } from "node:stream";
import type { ContainerConfig } from "../../specs/engine/container.ts";

export interface ImageLayer {
  readonly diffId: string;
  readonly chainId: string;
  /** Digest of the stored blob (as loaded: possibly compressed). */
  readonly blob: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
}

export interface Image {
  /** "sha256:…" of the configuration. */
  readonly id: string;
  readonly created: string;
  readonly author: string;
  readonly comment: string;
  readonly architecture: string;
  readonly variant: string;
  readonly os: string;
  readonly config: ContainerConfig | null;
  readonly history: readonly ImageHistoryEntry[];
  /** Base first. */
  readonly layers: readonly ImageLayer[];
  /** Unpacked bytes of all layers. */
  readonly sizeBytes: number;
  /** Full references with a tag, sorted. */
  readonly tags: readonly string[];
  /** Full references with a digest, sorted. */
  readonly digests: readonly string[];
  /** Unix milliseconds of the last tag, 0 = never tagged. */
  readonly taggedAtMs: number;
}

export interface ImageHistoryEntry {
  readonly created: string;
  readonly createdBy: string;
  readonly author: string;
  readonly comment: string;
  readonly emptyLayer: boolean;
}

export interface ImportOptions {
  /** Familiar reference to tag with, or undefined. */
  readonly reference: string | undefined;
  readonly message: string;
  readonly platform: string;
  /** Changes already parsed from Dockerfile instructions. */
  readonly config: Partial<ContainerConfig>;
}

export interface CommitOptions {
  /** What the new layer stands on; undefined = nothing. */
  readonly parent: Image | undefined;
  /** Familiar reference to tag with, or undefined. */
  readonly reference: string | undefined;
  readonly author: string;
  readonly comment: string;
  /** How containers of the image run. */
  readonly config: ContainerConfig;
  /** The container that was committed, for the record: its id, and how it ran. */
  readonly container: string;
  readonly containerConfig: ContainerConfig;
}

export interface SelectedImage {
  readonly image: Image;
  /** Full references, sorted. */
  readonly names: readonly string[];
}

export interface LoadedImage {
  readonly image: Image;
  /** Familiar names it was tagged with; empty = loaded by id only. */
  readonly names: readonly string[];
  /** Those of the names that another image had before, with its id: Docker tells the user. */
  readonly takenOver: readonly { readonly name: string; readonly id: string }[];
}

/** An image that the store knows by its row and cannot offer: something of it is missing or damaged. */
export interface DamagedImage {
  readonly id: string;
  readonly reason: string;
  /** Full references. */
  readonly names: readonly string[];
}

export interface Images {
  /**
   * By reference, id or unique id prefix (with or without "sha256:"), in this order, as Docker looks. Throws `not_found`
   * "No such image: X", `invalid_argument` for what can be neither, `unavailable` for a damaged image.
   */
  resolve(nameOrId: string): Image;
  /** Without damaged images. */
  list(): readonly Image[];
  damaged(): readonly DamagedImage[];
  /**
   * docker-archive or OCI layout, optionally gzip or zstd compressed. Either every image of the archive is there
   * afterwards or none of them. Throws `invalid_argument` for an archive that is not one, damaged or hostile, and
   * `unavailable` when the disk is full. The stream stays the caller's: after an error it may have more to give, and is
   * to be drained or destroyed once the client has its answer. The same goes for import().
   */
  load(archive: Readable, signal: AbortSignal): Promise<readonly LoadedImage[]>;
  /**
   * What save() will write for these names or ids: a name without a tag means all tags of it, an id means no names. Throws
   * as resolve() does.
   */
  select(names: readonly string[]): readonly SelectedImage[];
  /**
   * An archive that is an OCI layout and a docker-archive at the same time, with every blob once and the layers as they are
   * stored. The same images give the same bytes. They are held until the iteration ends.
   */
  save(images: readonly SelectedImage[], signal: AbortSignal): AsyncGenerator<Uint8Array>;
  /** A root filesystem tar as a one-layer image. */
  import(tar: Readable, options: ImportOptions, signal: AbortSignal): Promise<Image>;
  /**
   * An image of one more layer, which `diff` is: an uncompressed layer tar. Without anything in it the image has the
   * parent's layers and a new configuration, as with Docker. The parent's layers must be held by somebody meanwhile, as
   * a container does.
   */
  commit(diff: AsyncIterable<Uint8Array>, options: CommitOptions, signal: AbortSignal): Promise<Image>;
  /** Gives the image a name, familiar or full, taking it from whatever had it. `not_found` when the image is gone. */
  tag(image: Image, reference: string): void;
  /** Removes a name; the image stays, possibly dangling. `not_found` when nothing has it. */
  untag(reference: string): void;
  /**
   * Removes an image, damaged or not, and all its names, then collects what nothing else needs. `not_found` when it is
   * gone. The layers are chainIDs, topmost first. What a container stands on stays until the container is gone.
   */
  remove(id: string): Promise<{ readonly removedLayers: readonly string[] }>;
  /** Collects layers and blobs that no image, container or lease needs: after a container that held some was removed. */
  collect(): Promise<{ readonly removedLayers: readonly string[] }>;
}
