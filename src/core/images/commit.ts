/**
 * `docker commit`: what a container wrote becomes one more layer on its image, with the configuration that Docker would
 * write.
 *
 * On crash: blob, layer and configuration are held by a lease that dies with the process, and the image is entered last.
 */
import { fail } from "../../base/errors.ts";
import { VERSION } from "../../base/version.ts";
import { chainIdsOf, sha256Of } from "../../specs/oci-image/digest.ts";
import { decodeDocument, MAX_DOCUMENT_BYTES } from "../../specs/oci-image/document.ts";
import { decodeImageConfig } from "../../specs/oci-image/image-config.ts";
import { parseReference, type Reference, withDefaultTag } from "../../specs/oci-image/reference.ts";
import type { Lease } from "../metadata/leases.ts";
import { layerMediaType } from "../unpack/layer.ts";
import { storeDiff } from "../unpack/store-diff.ts";
import { configFields } from "./config-document.ts";
import type { CommitOptions, ImageLayer, LoadedImage } from "./images.ts";
import { cannotMake, type MakingDeps, oneChunk } from "./making.ts";

/** Of the archive that holds nothing, two blocks of zeros: Docker makes no layer of it. */
const EMPTY_DIFF = sha256Of(Buffer.alloc(1024));

export async function commitImage(
  deps: MakingDeps,
  diff: AsyncIterable<Uint8Array>,
  options: CommitOptions,
  signal: AbortSignal,
): Promise<LoadedImage> {
  const names = options.reference === undefined ? [] : [nameOf(options.reference)];
  const below = options.parent?.layers ?? [];
  try {
    await using lease = deps.leases.acquire("commit");
    for (const { blob, chainId } of below) {
      lease.holdBlob(blob);
      lease.holdLayer(chainId);
    }
    const layer = await makeLayer(deps, lease, diff, below, signal);
    const layers = layer === undefined ? below : [...below, layer];
    const bytes = Buffer.from(configDocument(deps, options, layers, layer === undefined));
    if (bytes.length > MAX_DOCUMENT_BYTES)
      throw fail("invalid_argument", `the image's configuration has more than ${MAX_DOCUMENT_BYTES} bytes`);
    const id = sha256Of(bytes);
    const config = decodeDocument("configuration", bytes, decodeImageConfig);
    await deps.content.ingest(lease, oneChunk(bytes), { digest: id }, signal);
    const [loaded] = deps.add([{ id, config, layers, manifest: undefined, names }]);
    if (loaded === undefined) throw fail("internal", "the committed image was not entered");
    return loaded;
  } catch (error) {
    throw cannotMake("commit the container", error);
  }
}

/** undefined when there is nothing in it. */
async function makeLayer(
  deps: MakingDeps,
  lease: Lease,
  diff: AsyncIterable<Uint8Array>,
  below: readonly ImageLayer[],
  signal: AbortSignal,
): Promise<ImageLayer | undefined> {
  const { snapshots, content } = deps;
  const staged = snapshots.stageLayer();
  try {
    const target = { ingest: await content.begin(lease), staged };
    const { blob, diffId, usage } = await storeDiff(diff, target, signal);
    if (diffId === EMPTY_DIFF) return undefined;
    const parent = below.at(-1)?.chainId;
    const chainId = chainIdsOf([...below.map((layer) => layer.diffId), diffId]).at(-1) ?? diffId;
    lease.holdLayer(chainId);
    await snapshots.commitLayers([{ staged, chainId, parent, usage }]);
    return {
      diffId,
      chainId,
      blob: blob.digest,
      mediaType: layerMediaType("gzip"),
      sizeBytes: blob.sizeBytes,
    };
  } finally {
    staged.discard();
  }
}

function nameOf(text: string): Reference {
  const reference = withDefaultTag(parseReference(text));
  // Docker's words.
  if (reference.digest !== undefined) throw fail("invalid_argument", "cannot commit to digest reference");
  return reference;
}

/** Docker's image JSON, its keys in Docker's order. */
function configDocument(
  deps: Pick<MakingDeps, "architecture">,
  options: CommitOptions,
  layers: readonly ImageLayer[],
  isEmpty: boolean,
): string {
  const { parent, author, comment, containerConfig } = options;
  const created = new Date().toISOString();
  const createdBy = (containerConfig.Cmd ?? []).join(" ");
  return JSON.stringify({
    architecture: parent?.architecture || deps.architecture,
    ...(author === "" ? {} : { author }),
    ...(comment === "" ? {} : { comment }),
    config: configFields(options.config),
    container: options.container,
    container_config: configFields(containerConfig),
    created,
    docker_version: VERSION,
    history: [
      ...(parent?.history ?? []).map((entry) => historyFields(entry)),
      historyFields({ created, author, createdBy, comment, emptyLayer: isEmpty }),
    ],
    os: parent?.os || "linux",
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    ...(parent === undefined || parent.variant === "" ? {} : { variant: parent.variant }),
  });
}

function historyFields(entry: {
  readonly created: string;
  readonly author: string;
  readonly createdBy: string;
  readonly comment: string;
  readonly emptyLayer: boolean;
}): unknown {
  return {
    created: entry.created === "" ? undefined : entry.created,
    author: entry.author === "" ? undefined : entry.author,
    created_by: entry.createdBy === "" ? undefined : entry.createdBy,
    comment: entry.comment === "" ? undefined : entry.comment,
    empty_layer: entry.emptyLayer ? true : undefined,
  };
}
