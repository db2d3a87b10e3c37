/**
 * Images: name → image, image → configuration and layers. The image id is the digest of its configuration, as with
 * Docker's graph drivers; names are full references ("docker.io/library/busybox:latest").
 *
 * On crash: an image exists when its row does, and its row is written last, when every blob and layer it needs is
 * complete. Garbage collection removes what no image, container or lease needs.
 */
import type { Readable } from "node:stream";
import type { Needed } from "../gc/mark.ts";
import type { ContainerConfig } from "../../specs/engine/container.ts";
import type { Descriptor, Platform } from "../../specs/oci-image/manifest.ts";
import type { Repository } from "../distribution/distribution.ts";

/** A document of a registry, kept as a blob: a manifest or an index. */
export interface DocumentRef {
  readonly digest: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
}

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
  /** Unpacked bytes of all layers; of one that is not unpacked, those of its blob. */
  readonly sizeBytes: number;
  /** The manifest that the image came by, and that its layers' blobs are those of; undefined = there was none. */
  readonly manifest: DocumentRef | undefined;
  /** Blobs of attestations about it: manifests, and what those refer to. */
  readonly attestations: readonly string[];
  /** Names with a tag that show this image; full references, sorted. */
  readonly tags: readonly string[];
  /** Names with a digest. */
  readonly pinned: readonly string[];
  /** What registries are known to have it by: `repository@digest` of its names' targets, and `pinned`. */
  readonly digests: readonly string[];
  /** Names that have it for another platform than the one they show. */
  readonly variantOf: readonly string[];
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
  /** Those of the names that are saved with their index: images for other platforms, or attestations, belong to it. */
  readonly severalPlatforms: readonly ImageName[];
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

/** What must not go while the image is there. */
export interface ImageNeeds {
  readonly blobs: readonly string[];
  /** chainIDs, base first. */
  readonly layers: readonly string[];
}

/** What a name stands for. */
export interface ImageName {
  /** Full reference. */
  readonly reference: string;
  /** The images that it has here, one a platform; the one that it shows first. */
  readonly images: readonly Image[];
  /** The manifest or index that it stands for in its registry. */
  readonly target: DocumentRef | undefined;
  readonly inRegistry: boolean;
}

export interface PullRequest {
  /** Opened for the reference that the image gets as its name. */
  readonly repository: Repository;
  /** undefined = what this host runs best. */
  readonly platform: Platform | undefined;
}

/** How far something moves; `total` 0 = not known. */
export interface Moved {
  readonly current: number;
  readonly total: number;
}

/** What becomes of one layer on its way in or out. */
export type LayerStep =
  | {
      readonly step: "announced" | "waiting" | "exists" | "skipped" | "verifying" | "downloaded" | "complete";
    }
  | ({ readonly step: "downloading" | "extracting" | "compressing" | "pushing" } & Moved)
  | { readonly step: "retrying"; readonly waitMs: number }
  | { readonly step: "mounted"; readonly from: string }
  | { readonly step: "pushed"; readonly sizeBytes: number };

/** A pull is known to be possible ("resolved"), or a layer made a step; `layer` is the digest that its user sees. */
export type TransferEvent =
  | { readonly kind: "resolved" }
  | { readonly kind: "layer"; readonly layer: string; readonly step: LayerStep };

export type TransferReport = (event: TransferEvent) => void;

export interface PulledImage {
  readonly image: Image;
  readonly target: DocumentRef;
  /** The name had this image before. */
  readonly isUpToDate: boolean;
}

export interface PushRequest {
  /** Opened for the reference whose tag is to be pushed. */
  readonly repository: Repository;
  readonly name: ImageName;
  /** This variant alone; undefined = all of the name's target when they are here, else the one that is shown. */
  readonly platform: Platform | undefined;
}

export interface PushedImage {
  readonly digest: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** The name stands for an index of which not all is here, so that one manifest was pushed in its place. */
  readonly insteadOf: DocumentRef | undefined;
}

/** One manifest of a name's target. */
export interface ImageVariant {
  readonly descriptor: Descriptor;
  readonly image: Image | undefined;
  /** Of an attestation that is here, the bytes of all that it is. */
  readonly attestationBytes: number | undefined;
}

/** Something that an image's row promises and the stores do not have. */
export interface ImageFault {
  readonly kind: "missing-blob" | "missing-layer" | "wrong-image";
  /** A digest, chainID or image id. */
  readonly subject: string;
  readonly detail: string;
  readonly images: readonly string[];
}

/** Looking after images: for `system check`. Damaged images are looked after like whole ones. */
export interface ImageCare {
  /** Compares rows with configurations, and both with layers and blobs, whose bytes it does not read. */
  faults(signal: AbortSignal): Promise<readonly ImageFault[]>;
  /** Ids of the images that need a layer or a blob. */
  usersOf(digest: string): readonly string[];
  /**
   * Unpacks the layer from its blob, with those below it that are missing, or in the place of the one that is there: then
   * nobody may have it mounted. `not_found` when no image has it, `internal` when its blob is damaged or missing.
   */
  rebuildLayer(chainId: string, signal: AbortSignal): Promise<void>;
  /** What a layer's files differ in from its blob (LayerCare.compare); undefined also when no image has the layer. */
  compareLayer(chainId: string, signal: AbortSignal): Promise<string | undefined>;
  /** Looks at every image anew: those that have become whole are offered, and those that have not are damaged now. */
  refresh(): Promise<void>;
}

/** What is gone: chainIDs topmost first, digests, names of partial blobs. */
export interface Collected {
  readonly removedLayers: readonly string[];
  readonly removedBlobs: readonly string[];
  readonly removedPartials: readonly string[];
}

export interface Images {
  readonly care: ImageCare;

  /**
   * By reference, id or unique id prefix (with or without "sha256:"), in this order, as Docker looks. With a platform: the
   * image of the name that runs there best. Throws `not_found` "No such image: X" or, with Docker's words, that it is for
   * another platform; `invalid_argument` for what can be neither, `unavailable` for a damaged image.
   */
  resolve(nameOrId: string, platform?: Platform): Image;
  /**
   * Unpacks the image's layers that are not there: those of an image whose blobs came when the engine had another storage
   * driver. To be called before layers are used; what others have unpacked meanwhile is not unpacked again. `unavailable` when
   * a blob is damaged or the disk is full.
   */
  unpack(image: Image, signal: AbortSignal): Promise<void>;
  /** The name that a reference is, if there is one; damaged images are left out. */
  name(reference: string): ImageName | undefined;
  /** All that the name's target offers, with the image of each that is here. */
  variants(name: ImageName): Promise<readonly ImageVariant[]>;
  /** Without damaged images; those that are only variants of a name are among them. */
  list(): readonly Image[];
  damaged(): readonly DamagedImage[];
  /** Also of a damaged image: what is left of it is kept for its repair. `not_found` when there is no such id. */
  needs(id: string): ImageNeeds;
  /** What all images need together: everything else is garbage, unless a container or a lease holds it. */
  needed(): Needed;
  /**
   * docker-archive or OCI layout, optionally gzip or zstd compressed. Either every image of the archive is there
   * afterwards or none of them. Throws `invalid_argument` for an archive that is not one, damaged or hostile, and
   * `unavailable` when the disk is full. Of an image for several platforms all that the archive holds come in, or
   * the one for `platform`. The stream stays the caller's: after an error it may have more to give, and is
   * to be drained or destroyed once the client has its answer. The same goes for import().
   */
  load(archive: Readable, signal: AbortSignal, platform?: Platform): Promise<readonly LoadedImage[]>;
  /** A root filesystem tar as a one-layer image. */
  import(tar: Readable, options: ImportOptions, signal: AbortSignal): Promise<Image>;
  /**
   * Pulls from a repository. Layers and blobs that are here are not fetched again, and what several pulls want at the same
   * time is fetched once: it ends when the last of them is cancelled. What was fetched of a blob when the pull fails or
   * the process dies is kept by content for the next one. Throws what the repository throws, `not_found` when there is no
   * image for the platform.
   */
  pull(request: PullRequest, report: TransferReport, signal: AbortSignal): Promise<PulledImage>;
  /**
   * Pushes a name: the documents that it came by when all they refer to is here or there, and otherwise a manifest that is
   * made of the image, always the same.
   */
  push(request: PushRequest, report: TransferReport, signal: AbortSignal): Promise<PushedImage>;
  /**
   * Gives the image a name, familiar or full, taking it from whatever had it. With `like`, a name of the same image, the
   * new name stands for the same target and has the same variants. `not_found` when the image is gone.
   */
  tag(image: Image, reference: string, like?: ImageName): void;
  /**
   * What save() will write for these names or ids, each for all its platforms that are here or for the given one: a name
   * without a tag means all tags of it, an id means no names. Throws as resolve() does.
   */
  select(names: readonly string[], platform?: Platform): readonly SelectedImage[];
  /**
   * An archive that is an OCI layout and a docker-archive at the same time, with every blob once and the layers as they are
   * stored. The same images give the same bytes. They are held until the iteration ends.
   */
  save(images: readonly SelectedImage[], signal: AbortSignal): AsyncGenerator<Uint8Array>;
  /**
   * An image of one more layer, which `diff` is: an uncompressed layer tar. Without anything in it the image has the
   * parent's layers and a new configuration, as with Docker. The parent's layers must be held by somebody meanwhile, as
   * a container does.
   */
  commit(diff: AsyncIterable<Uint8Array>, options: CommitOptions, signal: AbortSignal): Promise<Image>;
  /**
   * Removes a name; its images stay, possibly dangling. `repository@digest` that is no name of its own makes the names of
   * the repository forget that the registry has it. `not_found` when nothing has it.
   */
  untag(reference: string): void;
  /** Takes one image from a name that has others; they stay. */
  untagVariant(reference: string, image: Image): void;
  /**
   * Removes an image, damaged or not, and all its names, then collects what nothing else needs. `not_found` when it is
   * gone. The layers are chainIDs, topmost first. What a container stands on stays until the container is gone.
   */
  remove(id: string): Promise<{ readonly removedLayers: readonly string[] }>;
  /**
   * Collects layers and blobs that no image, container or lease needs, and old partial blobs: after a container that held
   * some was removed, and at intervals.
   */
  collect(): Promise<Collected>;
}
