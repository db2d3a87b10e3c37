import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rejection } from "../../base/testing/rejection.ts";
import { listDocument } from "./list-document.ts";
import { type ListedImage, ManifestStore } from "./store.ts";

const LIST = "docker.io/library/app:1";
const DOCKER = "application/vnd.docker.distribution.manifest.v2+json";
const OCI = "application/vnd.oci.image.manifest.v1+json";

const image = (digit: string, mediaType = DOCKER): ListedImage => ({
  ref: `docker.io/library/app@sha256:${digit.repeat(64)}`,
  mediaType,
  digest: `sha256:${digit.repeat(64)}`,
  sizeBytes: 2,
  platform: { os: "linux", architecture: "arm", variant: "v7", osVersion: "", osFeatures: [] },
  raw: Buffer.from("{}"),
});

let directory: string;
let store: ManifestStore;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "manifests-"));
  store = new ManifestStore(directory);
});

afterEach(() => rmSync(directory, { recursive: true }));

test("a list is kept where Docker's client looks for it, and read back", async () => {
  expect(await store.images(LIST)).toEqual([]);
  const changed = { ...image("b"), platform: { ...image("b").platform, osVersion: "10", osFeatures: ["x"] } };
  await store.put(LIST, image("a"));
  await store.put(LIST, image("b"));
  await store.put(LIST, changed);
  expect(await store.images(LIST)).toEqual([image("a"), changed]);
  const path = join(directory, "manifests", "docker.io_library_app-1");
  expect(readdirSync(path)).toEqual(
    ["a", "b"].map((digit) => `docker.io_library_app@sha256-${digit.repeat(64)}`),
  );
  const file = readFileSync(join(path, readdirSync(path)[0] ?? ""), "utf8");
  expect(JSON.parse(file)).toEqual({
    Ref: image("a").ref,
    Descriptor: {
      mediaType: DOCKER,
      digest: image("a").digest,
      size: 2,
      platform: { architecture: "arm", os: "linux", variant: "v7" },
    },
    Raw: "e30=",
    SchemaV2Manifest: {},
  });
  expect([await store.remove(LIST), await store.remove(LIST)]).toEqual([true, false]);
});

test("what a killed client left is passed by; a file that is no manifest is named", async () => {
  await store.put(LIST, image("a"));
  const path = join(directory, "manifests", "docker.io_library_app-1");
  writeFileSync(join(path, "half.new"), "{");
  expect((await store.images(LIST)).length).toBe(1);
  writeFileSync(join(path, "bad"), "{");
  expect((await rejection(store.images(LIST))).message).toContain(join(path, "bad"));
});

test("a list is OCI's when all of its images are, and Docker's otherwise", () => {
  expect(listDocument([image("a", OCI), image("b", OCI)]).mediaType).toBe(
    "application/vnd.oci.image.index.v1+json",
  );
  const { mediaType, text } = listDocument([image("a", OCI), image("b")]);
  expect(mediaType).toBe("application/vnd.docker.distribution.manifest.list.v2+json");
  expect(text.split("\n").slice(0, 7)).toEqual([
    "{",
    '   "schemaVersion": 2,',
    `   "mediaType": "${mediaType}",`,
    '   "manifests": [',
    "      {",
    `         "mediaType": "${OCI}",`,
    '         "size": 2,',
  ]);
});
