/**
 * Manifest lists being made, where Docker's client keeps them too: a directory a list, a file an image in it, both named by
 * full reference with ":" as "-" and "/" as "_".
 */
import { errnoOf, fail } from "../../base/errors.ts";
import { child, type Fields, fieldsOf, number, text, textList } from "../../client/fields.ts";

export interface PlatformEntry {
  readonly architecture: string;
  readonly os: string;
  readonly osVersion: string;
  readonly osFeatures: readonly string[];
  readonly variant: string;
}

/** An image of a list. */
export interface ListedImage {
  /** Full reference, with the manifest's digest. */
  readonly ref: string;
  readonly mediaType: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly platform: PlatformEntry;
  /** The manifest itself. */
  readonly raw: Buffer;
}

/** What a client that was killed leaves. */
const UNFINISHED = ".new";

const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";

export class ManifestStore {
  readonly #root: string;

  constructor(configDirectory: string) {
    this.#root = `${configDirectory}/manifests`;
  }

  #directory(list: string): string {
    return `${this.#root}/${fileName(list)}`;
  }

  async exists(list: string): Promise<boolean> {
    return (await this.images(list)).length > 0;
  }

  /** In the order of their file names. */
  async images(list: string): Promise<readonly ListedImage[]> {
    const { readdir } = await import("node:fs/promises");
    const names = await readdir(this.#directory(list)).catch((error: unknown) => {
      if (errnoOf(error) === "ENOENT") return [];
      throw error;
    });
    const images: ListedImage[] = [];
    for (const name of names.filter((each) => !each.endsWith(UNFINISHED)).toSorted(byText)) {
      const image = await this.#read(`${this.#directory(list)}/${name}`);
      if (image !== undefined) images.push(image);
    }
    return images;
  }

  async #read(path: string): Promise<ListedImage | undefined> {
    const { readFile } = await import("node:fs/promises");
    try {
      return decodeEntry(JSON.parse(await readFile(path, "utf8")));
    } catch (error) {
      throw fail("invalid_argument", `cannot read the manifest in "${path}"`, error);
    }
  }

  async put(list: string, image: ListedImage): Promise<void> {
    const { mkdir, rename, writeFile } = await import("node:fs/promises");
    const directory = this.#directory(list);
    await mkdir(directory, { recursive: true, mode: 0o755 });
    const path = `${directory}/${fileName(image.ref)}`;
    await writeFile(`${path}${UNFINISHED}`, JSON.stringify(encodeEntry(image)));
    await rename(`${path}${UNFINISHED}`, path);
  }

  /** False when there was none. */
  async remove(list: string): Promise<boolean> {
    const { rm } = await import("node:fs/promises");
    const wasThere = await this.exists(list);
    await rm(this.#directory(list), { recursive: true, force: true });
    return wasThere;
  }
}

function byText(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

function fileName(reference: string): string {
  return reference.replaceAll(":", "-").replaceAll("/", "_");
}

function encodeEntry({ ref, mediaType, digest, sizeBytes, platform, raw }: ListedImage): unknown {
  const document: unknown = JSON.parse(raw.toString("utf8"));
  return {
    Ref: ref,
    Descriptor: { mediaType, digest, size: sizeBytes, platform: platformDocument(platform) },
    Raw: raw.toString("base64"),
    ...(mediaType === OCI_MANIFEST ? { OCIManifest: document } : { SchemaV2Manifest: document }),
  };
}

export function platformDocument(platform: PlatformEntry): Readonly<Record<string, unknown>> {
  const { architecture, os, osVersion, osFeatures, variant } = platform;
  return {
    architecture,
    os,
    ...(osVersion === "" ? {} : { "os.version": osVersion }),
    ...(osFeatures.length === 0 ? {} : { "os.features": osFeatures }),
    ...(variant === "" ? {} : { variant }),
  };
}

function decodeEntry(value: unknown): ListedImage | undefined {
  const fields = fieldsOf(value);
  const descriptor = child(fields, "Descriptor");
  const ref = text(fields, "Ref");
  if (ref === "") return undefined;
  return {
    ref,
    mediaType: text(descriptor, "mediaType"),
    digest: text(descriptor, "digest"),
    sizeBytes: number(descriptor, "size"),
    platform: decodePlatform(child(descriptor, "platform")),
    raw: Buffer.from(text(fields, "Raw"), "base64"),
  };
}

export function decodePlatform(fields: Fields): PlatformEntry {
  return {
    architecture: text(fields, "architecture"),
    os: text(fields, "os"),
    osVersion: text(fields, "os.version"),
    osFeatures: textList(fields, "os.features"),
    variant: text(fields, "variant"),
  };
}
