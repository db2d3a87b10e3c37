/** Images that tell by themselves whether they are whole: each layer brings random files and their sums. */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { configOf, layerOf, type TestLayer } from "../../src/core/images/testing/archives.ts";
import { sha256Of } from "../../src/specs/oci-image/digest.ts";
import { busyboxRoot } from "../support/images.ts";

export interface ChaosImage {
  readonly layers: readonly TestLayer[];
  readonly config: Buffer;
  readonly id: string;
}

/** What a container of such an image runs: it ends with 0 when every file of every layer is what it was. */
export const VERIFY = ["sh", "-c", "cat /sums/* | sha256sum -c -s"];

const gzip = (tar: Buffer): Buffer => gzipSync(tar, { level: 1 });

/** The layer that all of them begin with. */
export async function baseLayer(): Promise<TestLayer> {
  const tar = readFileSync(await busyboxRoot());
  const blob = gzip(tar);
  return { tar, diffId: sha256Of(tar), blob, digest: sha256Of(blob) };
}

/** `files` files of `bytes` each: nothing that compresses. */
export function randomLayer(name: string, files: number, bytes: number): TestLayer {
  const contents = Array.from({ length: files }, (_, i) => ({
    name: `${name}/${i}`,
    content: randomBytes(bytes),
  }));
  const sums = contents.map((file) => `${hexOf(file.content)}  /${file.name}\n`).join("");
  return layerOf([...contents, { name: `sums/${name}`, content: sums }], gzip);
}

export function chaosImage(layers: readonly TestLayer[], label: string): ChaosImage {
  const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const config = configOf(layers, { config: { Cmd: VERIFY, Env: [path], Labels: { chaos: label } } });
  return { layers, config, id: sha256Of(config) };
}

function hexOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
