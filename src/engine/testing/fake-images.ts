/** A handful of images held in memory. */
import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { fail } from "../../base/errors.ts";
import type { Needed } from "../../core/gc/mark.ts";
import type {
  Collected,
  CommitOptions,
  DamagedImage,
  Image,
  ImageCare,
  ImageName,
  ImageNeeds,
  ImageVariant,
  Images,
  ImportOptions,
  LoadedImage,
  PulledImage,
  PullRequest,
  PushedImage,
  PushRequest,
  SelectedImage,
} from "../../core/images/images.ts";
import type { Platform } from "../../specs/oci-image/manifest.ts";
import { runsOn } from "../../specs/oci-image/platform.ts";
import { decodeContainerConfig } from "../../specs/engine/container.decode.ts";
import { Fields } from "../../specs/engine/fields.decode.ts";

export class FakeImages implements Images {
  readonly images = new Map<string, Image>();
  readonly loaded: string[] = [];
  readonly care: ImageCare = {
    faults: () => Promise.resolve([]),
    usersOf: () => [],
    rebuildLayer: () => Promise.resolve(),
    compareLayer: () => Promise.resolve(undefined),
    refresh: () => Promise.resolve(),
  };

  /** `name`: "busybox" becomes docker.io/library/busybox:latest. `config`: fields of a ContainerConfig. */
  add(name: string, config: Readonly<Record<string, unknown>> = {}): Image {
    const image: Image = {
      id: `sha256:${createHash("sha256").update(name).digest("hex")}`,
      created: "2026-01-02T03:04:05Z",
      author: "",
      comment: "",
      architecture: "amd64",
      variant: "",
      os: "linux",
      config: decodeContainerConfig(new Fields(config, "")),
      history: [
        {
          created: "2026-01-02T03:04:05Z",
          createdBy: "/bin/sh",
          author: "",
          comment: "",
          emptyLayer: false,
        },
      ],
      layers: [
        {
          diffId: "sha256:d1",
          chainId: "sha256:c1",
          blob: "sha256:b1",
          mediaType: "application/vnd.oci.image.layer.v1.tar",
          sizeBytes: 100,
        },
      ],
      sizeBytes: 100,
      tags: [full(name)],
      manifest: undefined,
      pinned: [],
      attestations: [],
      digests: [],
      variantOf: [],
      taggedAtMs: 1_700_000_000_000,
    };
    this.images.set(image.id, image);
    return image;
  }

  resolve(nameOrId: string, platform?: Platform): Image {
    for (const image of this.images.values()) {
      if (platform !== undefined && !runsOn(image, platform)) continue;
      if (image.id === nameOrId || image.tags.includes(full(nameOrId))) return image;
      if (/^[0-9a-f]{4,64}$/.test(nameOrId) && image.id.startsWith(`sha256:${nameOrId}`)) return image;
    }
    throw fail("not_found", `No such image: ${nameOrId}`);
  }

  name(reference: string): ImageName | undefined {
    const image = this.list().find(({ tags }) => tags.includes(full(reference)));
    if (image === undefined) return undefined;
    return { reference: full(reference), images: [image], target: undefined, inRegistry: false };
  }

  async variants(): Promise<readonly ImageVariant[]> {
    return [];
  }

  list(): readonly Image[] {
    return [...this.images.values()];
  }

  damaged(): readonly DamagedImage[] {
    return [];
  }

  needs(id: string): ImageNeeds {
    const layers = this.images.get(id)?.layers ?? [];
    return {
      blobs: [id, ...layers.map(({ blob }) => blob)],
      layers: layers.map(({ chainId }) => chainId),
    };
  }

  needed(): Needed {
    const needs = [...this.images.keys()].map((id) => this.needs(id));
    return {
      blobs: new Set(needs.flatMap(({ blobs }) => blobs)),
      layers: new Set(needs.flatMap(({ layers }) => layers)),
    };
  }

  async load(archive: Readable): Promise<readonly LoadedImage[]> {
    let text = "";
    for await (const chunk of archive) text += String(chunk);
    this.loaded.push(text);
    if (!text.startsWith("name:")) throw fail("invalid_argument", "not an image archive");
    const name = text.slice("name:".length);
    return [{ image: this.add(name), names: [`${name}:latest`], takenOver: [] }];
  }

  async import(tar: Readable, options: ImportOptions): Promise<Image> {
    for await (const chunk of tar) this.loaded.push(String(chunk));
    return this.add(options.reference ?? "imported");
  }

  select(names: readonly string[]): readonly SelectedImage[] {
    return names.map((name) => ({ image: this.resolve(name), names: [full(name)], severalPlatforms: [] }));
  }

  async *save(images: readonly SelectedImage[]): AsyncGenerator<Uint8Array> {
    await Promise.resolve();
    for (const { names } of images) yield Buffer.from(`saved ${names.join(" ")}\n`);
  }

  async commit(diff: AsyncIterable<Uint8Array>, options: CommitOptions): Promise<Image> {
    for await (const bytes of diff) this.loaded.push(Buffer.from(bytes).toString());
    return this.add(options.reference ?? "committed");
  }

  pull(request: PullRequest): Promise<PulledImage> {
    const { domain, path } = request.repository.reference;
    const image = this.add(`${domain}/${path}`);
    return Promise.resolve({
      image,
      target: { digest: image.id, mediaType: "", sizeBytes: 1 },
      isUpToDate: false,
    });
  }

  push(request: PushRequest): Promise<PushedImage> {
    const [image] = request.name.images;
    if (image === undefined) throw fail("not_found", "nothing to push");
    return Promise.resolve({ digest: image.id, mediaType: "", sizeBytes: 1, insteadOf: undefined });
  }

  tag(image: Image, reference: string): void {
    this.images.set(image.id, { ...image, tags: [...image.tags, reference] });
  }

  untag(reference: string): void {
    for (const image of this.images.values())
      this.images.set(image.id, { ...image, tags: image.tags.filter((tag) => tag !== reference) });
  }

  untagVariant(reference: string): void {
    this.untag(reference);
  }

  remove(id: string): Promise<{ readonly removedLayers: readonly string[] }> {
    this.images.delete(id);
    return Promise.resolve({ removedLayers: ["sha256:c1"] });
  }

  async unpack(): Promise<void> {}

  collect(): Promise<Collected> {
    return Promise.resolve({ removedLayers: [], removedBlobs: [], removedPartials: [] });
  }
}

function full(name: string): string {
  const path = name.includes("/") ? name : `docker.io/library/${name}`;
  return path.slice(path.lastIndexOf("/")).includes(":") ? path : `${path}:latest`;
}
