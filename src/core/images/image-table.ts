/** The images in memory: what listing, resolving and starting containers ask for all the time. */
import { fail, type GantryError } from "../../base/errors.ts";
import { isDigest } from "../../specs/oci-image/digest.ts";
import type { ImageConfig } from "../../specs/oci-image/image-config.ts";
import {
  familiarReference,
  fullReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../../specs/oci-image/reference.ts";
import type { ImageRow } from "./image-rows.ts";
import type { DamagedImage, Image } from "./images.ts";

/** An image is damaged when it has no configuration here, but a reason. */
interface Entry {
  readonly row: ImageRow;
  readonly image: Image | undefined;
  readonly reason: string;
}

export class ImageTable {
  readonly #entries = new Map<string, Entry>();
  /** Full reference → id. */
  readonly #names = new Map<string, string>();
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
      id: row.id,
      layers: row.layers,
      names: before?.names ?? row.names,
      taggedAtMs: before?.taggedAtMs ?? row.taggedAtMs,
    };
    for (const name of merged.names) this.#names.set(name, row.id);
    this.#entries.set(row.id, { row: merged, image: imageOf(merged, config, layerSizes), reason: "" });
  }

  enterDamaged(row: ImageRow, reason: string): void {
    this.#revision++;
    for (const name of row.names) this.#names.set(name, row.id);
    this.#entries.set(row.id, { row, image: undefined, reason });
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  idOf(reference: string): string | undefined {
    return this.#names.get(reference);
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
      .map(({ row, reason }) => ({ id: row.id, reason, names: row.names }));
  }

  /** By full id. */
  get(id: string): Image {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw noSuchImage(id);
    if (entry.image === undefined) throw fail("unavailable", `image "${id}" is damaged: ${entry.reason}`);
    return entry.image;
  }

  resolve(nameOrId: string): Image {
    const id = /^[0-9a-f]{64}$/.test(nameOrId) ? `sha256:${nameOrId}` : nameOrId;
    if (isDigest(id)) return this.get(id);
    const reference = withDefaultTag(parseReference(nameOrId));
    const named = this.#names.get(fullReference(keyOf(reference)));
    if (named !== undefined) return this.get(named);
    const matches = this.#withPrefix(nameOrId);
    const [only] = matches;
    if (matches.length === 1 && only !== undefined) return this.get(only);
    const hint = matches.length > 1 ? ` (${matches.length} image ids begin like this)` : "";
    throw noSuchImage(`${familiarReference(reference)}${hint}`);
  }

  #withPrefix(text: string): string[] {
    if (!/^(sha256:)?[0-9a-f]+$/.test(text)) return [];
    const prefix = text.startsWith("sha256:") ? text : `sha256:${text}`;
    return [...this.#entries.keys()].filter((id) => id.startsWith(prefix));
  }

  /** Gives a name to an image; tells who had it before, if another one. */
  name(
    reference: Reference,
    id: string,
    nowMs: number,
  ): { readonly name: string; readonly id: string } | undefined {
    this.#revision++;
    const full = fullReference(reference);
    const before = this.#names.get(full);
    if (before !== undefined && before !== id) this.unname(full);
    this.#names.set(full, id);
    this.#change(id, (row) => ({
      ...row,
      taggedAtMs: nowMs,
      names: [...row.names.filter((name) => name !== full), full].toSorted(),
    }));
    if (before === undefined || before === id) return undefined;
    return { name: familiarReference(reference), id: before };
  }

  unname(full: string): void {
    this.#revision++;
    const id = this.#names.get(full);
    if (id === undefined) return;
    this.#names.delete(full);
    this.#change(id, (row) => ({ ...row, names: row.names.filter((name) => name !== full) }));
  }

  remove(id: string): void {
    this.#revision++;
    for (const name of this.#entries.get(id)?.row.names ?? []) this.#names.delete(name);
    this.#entries.delete(id);
  }

  #change(id: string, change: (row: ImageRow) => ImageRow): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    const row = change(entry.row);
    const image = entry.image === undefined ? undefined : { ...entry.image, ...namesOf(row) };
    this.#entries.set(id, { ...entry, row, image });
  }
}

/** With tag and digest, the digest is the name. */
function keyOf(reference: Reference): Reference {
  return reference.digest === undefined ? reference : { ...reference, tag: undefined };
}

function imageOf(row: ImageRow, config: ImageConfig, layerSizes: ReadonlyMap<string, number>): Image {
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
    sizeBytes: row.layers.reduce((sum, { chainId }) => sum + (layerSizes.get(chainId) ?? 0), 0),
    ...namesOf(row),
  };
}

function namesOf(row: ImageRow): Pick<Image, "tags" | "digests" | "taggedAtMs"> {
  return {
    tags: row.names.filter((name) => !name.includes("@")),
    digests: row.names.filter((name) => name.includes("@")),
    taggedAtMs: row.taggedAtMs,
  };
}

function noSuchImage(what: string): GantryError {
  // Docker's words: clients match on them.
  return fail("not_found", `No such image: ${what}`);
}
