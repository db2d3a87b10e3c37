/** The images in memory: what listing, resolving and starting containers ask for all the time. */
import { fail, type GantryError } from "../../base/errors.ts";
import { isDigest } from "../../specs/oci-image/digest.ts";
import type { ImageConfig } from "../../specs/oci-image/image-config.ts";
import type { Platform } from "../../specs/oci-image/manifest.ts";
import { bestFor, platformText } from "../../specs/oci-image/platform.ts";
import {
  familiarReference,
  fullReference,
  parseReference,
  type Reference,
  repositoryOf,
  withDefaultTag,
} from "../../specs/oci-image/reference.ts";
import type { ImageRow, NameRow } from "./image-rows.ts";
import type { DamagedImage, Image, ImageName } from "./images.ts";
import { imagesOf } from "./name-rules.ts";

/** An image is damaged when it has no configuration here, but a reason. */
interface Entry {
  readonly row: ImageRow;
  readonly image: Image | undefined;
  readonly reason: string;
}

export class ImageTable {
  readonly #entries = new Map<string, Entry>();
  /** By full reference. */
  readonly #names = new Map<string, NameRow>();
  #revision = 0;

  /** Another one after every change. */
  get revision(): number {
    return this.#revision;
  }

  /** Adds a whole image, or repairs a damaged one; names that it has already stay. */
  enter(row: ImageRow, config: ImageConfig, layerSizes: ReadonlyMap<string, number>): void {
    this.#revision++;
    const before = this.#entries.get(row.id)?.row;
    const merged: ImageRow = {
      ...row,
      taggedAtMs: before?.taggedAtMs ?? row.taggedAtMs,
      attestations: [...new Set([...(before?.attestations ?? []), ...row.attestations])],
    };
    const image = { ...imageOf(merged, config, layerSizes), ...this.#namesOf(row.id) };
    this.#entries.set(row.id, { row: merged, image, reason: "" });
  }

  enterDamaged(row: ImageRow, reason: string): void {
    this.#revision++;
    this.#entries.set(row.id, { row, image: undefined, reason });
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  row(id: string): ImageRow {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw noSuchImage(id);
    return entry.row;
  }

  rows(): readonly ImageRow[] {
    return [...this.#entries.values()].map((entry) => entry.row);
  }

  list(): readonly Image[] {
    return [...this.#entries.values()].flatMap(({ image }) => image ?? []);
  }

  damaged(): readonly DamagedImage[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.image === undefined)
      .map(({ row, reason }) => ({ id: row.id, reason, names: this.namesWith(row.id) }));
  }

  /** By full id. */
  get(id: string): Image {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw noSuchImage(id);
    if (entry.image === undefined) throw fail("unavailable", `image "${id}" is damaged: ${entry.reason}`);
    return entry.image;
  }

  resolve(nameOrId: string, platform: Platform | undefined): Image {
    const candidates = this.#candidates(nameOrId);
    const [shown = ""] = candidates;
    if (platform === undefined) return this.get(shown);
    const images = candidates.flatMap((id) => this.#entries.get(id)?.image ?? []);
    const best = bestFor(images, (image) => image, platform);
    if (best !== undefined) return best;
    throw otherPlatform(nameOrId, this.get(shown), platform);
  }

  /** The ids that are meant, the one to show first; at least one. */
  #candidates(nameOrId: string): readonly string[] {
    const id = /^[0-9a-f]{64}$/.test(nameOrId) ? `sha256:${nameOrId}` : nameOrId;
    if (isDigest(id)) return [id];
    const reference = withDefaultTag(parseReference(nameOrId));
    const row = this.nameRow(reference);
    if (row !== undefined) return imagesOf(row);
    const matches = this.#withPrefix(nameOrId);
    if (matches.length === 1) return matches;
    const hint = matches.length > 1 ? ` (${matches.length} image ids begin like this)` : "";
    throw noSuchImage(`${familiarReference(reference)}${hint}`);
  }

  /** With tag and digest, the digest is the name; one that is no name itself may be the target or manifest of one. */
  nameRow(reference: Reference): NameRow | undefined {
    const { digest } = reference;
    if (digest === undefined) return this.#names.get(fullReference(reference));
    const exact = this.#names.get(fullReference({ ...reference, tag: undefined }));
    return exact ?? this.withTarget(reference)[0] ?? this.#withManifest(reference);
  }

  /** Names of the reference's repository that stand for its digest there. */
  withTarget(reference: Reference): readonly NameRow[] {
    return this.#inRepository(reference).filter(
      ({ target, inRegistry }) => inRegistry && target?.digest === reference.digest,
    );
  }

  /** One platform's manifest of a name: the name with that image alone. */
  #withManifest(reference: Reference): NameRow | undefined {
    for (const row of this.#inRepository(reference)) {
      const image = imagesOf(row).find(
        (id) => this.#entries.get(id)?.row.manifest?.digest === reference.digest,
      );
      if (image !== undefined && row.inRegistry) return { ...row, image, others: [] };
    }
    return undefined;
  }

  #inRepository(reference: Reference): readonly NameRow[] {
    const prefix = `${repositoryOf(reference)}:`;
    return [...this.#names.values()].filter((row) => row.reference.startsWith(prefix));
  }

  #withPrefix(text: string): string[] {
    if (!/^(sha256:)?[0-9a-f]+$/.test(text)) return [];
    const prefix = text.startsWith("sha256:") ? text : `sha256:${text}`;
    return [...this.#entries.keys()].filter((id) => id.startsWith(prefix));
  }

  byReference(full: string): NameRow | undefined {
    return this.#names.get(full);
  }

  names(): readonly NameRow[] {
    return [...this.#names.values()];
  }

  /** References of the names that have the image. */
  namesWith(id: string): readonly string[] {
    return this.names()
      .filter((row) => imagesOf(row).includes(id))
      .map((row) => row.reference)
      .toSorted();
  }

  asName(row: NameRow): ImageName {
    const images = imagesOf(row).flatMap((id) => this.#entries.get(id)?.image ?? []);
    return { reference: row.reference, images, target: row.target, inRegistry: row.inRegistry };
  }

  /** Makes the name mean what the row says; images that had it and that have it now are told. */
  setName(row: NameRow): void {
    this.#revision++;
    const before = this.#names.get(row.reference);
    this.#names.set(row.reference, row);
    this.#refresh([...(before === undefined ? [] : imagesOf(before)), ...imagesOf(row)]);
  }

  setTaggedAt(id: string, nowMs: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    const image = entry.image === undefined ? undefined : { ...entry.image, taggedAtMs: nowMs };
    this.#entries.set(id, { ...entry, row: { ...entry.row, taggedAtMs: nowMs }, image });
  }

  unname(full: string): void {
    const row = this.#names.get(full);
    if (row === undefined) return;
    this.#revision++;
    this.#names.delete(full);
    this.#refresh(imagesOf(row));
  }

  /** The caller has dealt with its names. */
  remove(id: string): void {
    this.#revision++;
    this.#entries.delete(id);
  }

  #refresh(ids: readonly string[]): void {
    for (const id of new Set(ids)) {
      const entry = this.#entries.get(id);
      if (entry?.image === undefined) continue;
      this.#entries.set(id, { ...entry, image: { ...entry.image, ...this.#namesOf(id) } });
    }
  }

  #namesOf(id: string): Pick<Image, "tags" | "pinned" | "digests" | "variantOf"> {
    const rows = [...this.#names.values()];
    const shown = rows.filter((row) => row.image === id);
    const references = shown.map((row) => row.reference).toSorted();
    const pinned = references.filter((name) => name.includes("@"));
    const targets = shown.flatMap(({ reference, target, inRegistry }) =>
      target !== undefined && inRegistry && !reference.includes("@")
        ? [`${repositoryOf(parseReference(reference))}@${target.digest}`]
        : [],
    );
    return {
      tags: references.filter((name) => !name.includes("@")),
      pinned,
      digests: [...new Set([...pinned, ...targets])].toSorted(),
      variantOf: rows
        .filter((row) => row.others.includes(id))
        .map((row) => row.reference)
        .toSorted(),
    };
  }
}

function imageOf(
  row: ImageRow,
  config: ImageConfig,
  layerSizes: ReadonlyMap<string, number>,
): Omit<Image, "tags" | "pinned" | "digests" | "variantOf"> {
  const { created, author, comment, architecture, variant, os, history } = config;
  return {
    id: row.id,
    created,
    author,
    comment,
    architecture,
    variant,
    os,
    config: config.config,
    history,
    layers: row.layers,
    sizeBytes: row.layers.reduce(
      (sum, { chainId, sizeBytes }) => sum + (layerSizes.get(chainId) ?? sizeBytes),
      0,
    ),
    manifest: row.manifest,
    attestations: row.attestations,
    taggedAtMs: row.taggedAtMs,
  };
}

function noSuchImage(what: string): GantryError {
  // Docker's words: clients match on them.
  return fail("not_found", `No such image: ${what}`);
}

/** Docker's words. */
function otherPlatform(asked: string, image: Image, wanted: Platform): GantryError {
  return fail(
    "not_found",
    `image with reference ${asked} was found but its platform (${platformText(image)}) does not match the specified platform (${platformText(wanted)})`,
  );
}
