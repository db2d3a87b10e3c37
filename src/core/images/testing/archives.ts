/** Image archives as `docker save`, older Dockers, BuildKit and liars write them, made in memory. */
import { type TarItem, writeTar } from "../../../base/tar-writer.ts";
import { sha256Of } from "../../../specs/oci-image/digest.ts";

export interface TestLayer {
  readonly tar: Buffer;
  readonly diffId: string;
  /** As stored in the archive, perhaps compressed. */
  readonly blob: Buffer;
  readonly digest: string;
}

export function layerOf(
  items: readonly TarItem[],
  compress: (tar: Buffer) => Buffer = (tar) => tar,
): TestLayer {
  const tar = writeTar(items);
  const blob = compress(tar);
  return { tar, diffId: sha256Of(tar), blob, digest: sha256Of(blob) };
}

export function configOf(layers: readonly TestLayer[], more: object = {}): Buffer {
  return Buffer.from(
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      created: "2024-01-01T00:00:00Z",
      config: { Cmd: ["/bin/sh"] },
      rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
      history: layers.map(() => ({ created: "2024-01-01T00:00:00Z", created_by: "test" })),
      ...more,
    }),
  );
}

export interface ArchiveImage {
  readonly names: readonly string[];
  readonly layers: readonly TestLayer[];
  readonly config?: Buffer;
}

/** manifest.json last, as Docker writes it; layers as layer<i>.tar, each diff stored once and linked otherwise. */
export function dockerItems(images: readonly ArchiveImage[]): TarItem[] {
  const items: TarItem[] = [];
  const stored = new Map<string, string>();
  const manifest = images.map(({ names, layers, config = configOf(layers) }, image) => {
    const configName = `${sha256Of(config).slice(7)}.json`;
    items.push({ name: configName, content: config });
    const paths = layers.map((layer, i) => {
      const directory = `image${image}-${i}`;
      const name = `${directory}/layer.tar`;
      items.push(
        { name: `${directory}/`, kind: "directory" },
        { name: `${directory}/VERSION`, content: "1.0" },
      );
      const before = stored.get(layer.digest);
      if (before === undefined) items.push({ name, content: layer.blob });
      else items.push({ name, kind: "symlink", linkName: `../${before}` });
      if (before === undefined) stored.set(layer.digest, name);
      return name;
    });
    return { Config: configName, RepoTags: names.length > 0 ? names : null, Layers: paths };
  });
  items.push(
    { name: "repositories", content: "{}" },
    { name: "manifest.json", content: JSON.stringify(manifest) },
  );
  return items;
}

export function dockerArchive(images: readonly ArchiveImage[]): Buffer {
  return writeTar(dockerItems(images));
}

export interface LayoutBlob {
  readonly bytes: Buffer;
  readonly descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number };
}

export function blobOf(mediaType: string, content: Buffer | object): LayoutBlob {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
  return { bytes, descriptor: { mediaType, digest: sha256Of(bytes), size: bytes.length } };
}

/** A manifest with its configuration and layers; the manifest is the first blob. */
export function manifestBlobs(layers: readonly TestLayer[], config = configOf(layers)): LayoutBlob[] {
  const configBlob = blobOf("application/vnd.oci.image.config.v1+json", config);
  const layerBlobs = layers.map(({ blob }) => {
    const suffix = blob.subarray(0, 2).toString("hex") === "1f8b" ? "+gzip" : "";
    return blobOf(`application/vnd.oci.image.layer.v1.tar${suffix}`, blob);
  });
  const manifest = blobOf("application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    config: configBlob.descriptor,
    layers: layerBlobs.map((blob) => blob.descriptor),
  });
  return [manifest, configBlob, ...layerBlobs];
}

export function indexBlob(manifests: readonly object[]): LayoutBlob {
  return blobOf("application/vnd.oci.image.index.v1+json", { schemaVersion: 2, manifests });
}

export function layoutItems(manifests: readonly object[], blobs: readonly LayoutBlob[]): TarItem[] {
  return [
    ...blobs.map(({ bytes, descriptor }) => ({
      name: `blobs/sha256/${descriptor.digest.slice(7)}`,
      content: bytes,
    })),
    { name: "index.json", content: indexBlob(manifests).bytes },
    { name: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
  ];
}

/** A descriptor of an image, named as containerd does. */
export function annotated(descriptor: object | undefined, name: string, platform?: object): object {
  return {
    ...descriptor,
    annotations: { "io.containerd.image.name": name },
    ...(platform === undefined ? {} : { platform }),
  };
}
