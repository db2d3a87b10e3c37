/** `docker import`: a root filesystem tar becomes an image of one layer, with the configuration that Docker would write. */
import type { Readable } from "node:stream";
import { withRoom } from "../../base/disk-full.ts";
import { fail } from "../../base/errors.ts";
import { BLOCK, isTarHeader, isZeroBlock } from "../../base/tar-format.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";
import { decodeDocument } from "../../specs/oci-image/document.ts";
import { decodeImageConfig } from "../../specs/oci-image/image-config.ts";
import type { Platform } from "../../specs/oci-image/manifest.ts";
import { parsePlatform } from "../../specs/oci-image/platform.ts";
import { parseReference, type Reference, withDefaultTag } from "../../specs/oci-image/reference.ts";
import type { ImageLayer, ImportOptions, LoadedImage } from "./images.ts";
import type { Lease } from "../metadata/leases.ts";
import type { StagedLayer } from "../snapshots/snapshotter.ts";
import { MAGIC_BYTES, needsProgram, tellCompression } from "../unpack/compression.ts";
import { decompressByProgram } from "../unpack/decompressor-program.ts";
import { Expansion } from "../unpack/expansion.ts";
import { layerMediaType, storeLayer } from "../unpack/layer.ts";
import { PeekedStream } from "../unpack/peeked-stream.ts";
import { uploadedBytes } from "../unpack/upload.ts";
import { configFields } from "./config-document.ts";
import { cannotMake, type MakingDeps, oneChunk } from "./making.ts";

/** What Docker's client would have the comment be when the user gives none and the tar comes over the wire. */
const DEFAULT_COMMENT = "Imported from -";

export async function importRoot(
  deps: MakingDeps,
  tar: Readable,
  options: ImportOptions,
  signal: AbortSignal,
): Promise<LoadedImage> {
  const names = options.reference === undefined ? [] : [nameOf(options.reference)];
  const platform = importPlatform(options.platform, deps.architecture);
  try {
    await using lease = deps.leases.acquire("import");
    const layer = await importLayer(deps, lease, tar, signal);
    const document = configDocument(layer.diffId, platform, options, new Date().toISOString());
    const bytes = Buffer.from(document);
    const id = sha256Of(bytes);
    await deps.content.ingest(lease, oneChunk(bytes), { digest: id }, signal);
    const config = decodeDocument("configuration", bytes, decodeImageConfig);
    const [loaded] = deps.add([{ id, config, layers: [layer], manifest: undefined, names }]);
    if (loaded === undefined) throw fail("internal", "the imported image was not entered");
    return loaded;
  } catch (error) {
    throw cannotMake("import the archive", error);
  }
}

async function importLayer(
  deps: MakingDeps,
  lease: Lease,
  tar: Readable,
  signal: AbortSignal,
): Promise<ImageLayer> {
  const { snapshots, content, room } = deps;
  const expansion = new Expansion(deps.expansion);
  const sent = new PeekedStream(expansion.counted(uploadedBytes(tar, signal)));
  let source = sent;
  let staged = snapshots.stageLayer();
  const stage = (): StagedLayer => {
    staged = snapshots.stageLayer();
    return staged;
  };
  try {
    const sentAs = tellCompression(await sent.peek(MAGIC_BYTES));
    if (needsProgram(sentAs)) source = new PeekedStream(expansion.limited(decompressByProgram(sent, sentAs)));
    const head = (await source.peek(BLOCK)).subarray(0, BLOCK);
    if (
      tellCompression(head) === "none" &&
      !isTarHeader(head) &&
      !(head.length === BLOCK && isZeroBlock(head))
    )
      throw fail("invalid_argument", "archive/tar: invalid tar header");
    const onFullDisk = room === undefined ? undefined : { room, content, stage };
    const target = { ingest: await content.begin(lease), staged, onFullDisk };
    const { blob, diffId, compression, usage } = await storeLayer(source, target, expansion, signal);
    lease.holdLayer(diffId);
    const named = [{ staged, chainId: diffId, parent: undefined, usage }];
    await withRoom(room, () => snapshots.commitLayers(named));
    const mediaType = layerMediaType(compression);
    return { diffId, chainId: diffId, blob: blob.digest, mediaType, sizeBytes: blob.sizeBytes };
  } finally {
    staged.discard();
    await source.end();
    await sent.end();
  }
}

function nameOf(text: string): Reference {
  const reference = withDefaultTag(parseReference(text));
  // Docker's words.
  if (reference.digest !== undefined) throw fail("invalid_argument", "cannot import digest reference");
  return reference;
}

/** As Docker: an image for another system than Linux cannot be made from a root filesystem. */
function importPlatform(text: string, hostArchitecture: string): Platform {
  const platform = parsePlatform(text, hostArchitecture);
  if (platform.os !== "linux")
    throw fail("invalid_argument", `operating system is not supported: "${platform.os}"`);
  return platform;
}

/** Docker's image JSON, its keys in Docker's order. */
function configDocument(diffId: string, platform: Platform, options: ImportOptions, created: string): string {
  const comment = options.message === "" ? DEFAULT_COMMENT : options.message;
  return JSON.stringify({
    architecture: platform.architecture,
    comment,
    config: configFields(options.config),
    created,
    history: [{ created, comment }],
    os: platform.os,
    rootfs: { type: "layers", diff_ids: [diffId] },
    ...(platform.variant === "" ? {} : { variant: platform.variant }),
  });
}
