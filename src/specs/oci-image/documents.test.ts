import { describe, expect, test } from "bun:test";
import { chainIdsOf, checkDigest, sha256Of } from "./digest.ts";
import { decodeDocument, MAX_DOCUMENT_BYTES } from "./document.ts";
import { decodeImageConfig } from "./image-config.ts";
import { decodeArchiveManifest, decodeIndex, decodeManifest } from "./manifest.ts";

const D = sha256Of("x");
const LAYER = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: D, size: 5 };
const CONFIG = { mediaType: "application/vnd.oci.image.config.v1+json", digest: D, size: 7 };
const MANIFEST = { schemaVersion: 2, config: CONFIG, layers: [LAYER] };

describe("digests", () => {
  test("other algorithms are refused by name", () => {
    expect(() => checkDigest(`sha512:${"a".repeat(128)}`)).toThrow('unsupported digest algorithm "sha512"');
    expect(() => checkDigest("sha256:../../etc/passwd")).toThrow("invalid checksum digest format");
    expect(() => checkDigest(`sha256:${"A".repeat(64)}`)).toThrow("invalid checksum digest format");
  });

  test("chainIDs follow the specification's recursion", () => {
    const [a, b, c] = [sha256Of("a"), sha256Of("b"), sha256Of("c")];
    const ab = sha256Of(`${a} ${b}`);
    expect(chainIdsOf([a, b, c])).toEqual([a, ab, sha256Of(`${ab} ${c}`)]);
    expect(chainIdsOf([])).toEqual([]);
  });
});

describe("manifests", () => {
  test("one of each media type family is read", () => {
    expect(decodeManifest(MANIFEST).layers[0]?.sizeBytes).toBe(5);
    const docker = {
      schemaVersion: 2,
      mediaType: "application/vnd.docker.distribution.manifest.v2+json",
      config: { ...CONFIG, mediaType: "application/vnd.docker.container.image.v1+json" },
      layers: [{ ...LAYER, mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip" }],
    };
    expect(decodeManifest(docker).config.digest).toBe(D);
  });

  const refused: readonly (readonly [unknown, string])[] = [
    [null, "must be an object"],
    [[], "must be an object"],
    [{ ...MANIFEST, schemaVersion: 1 }, "unsupported schema version 1"],
    [{ ...MANIFEST, mediaType: "application/vnd.oci.image.index.v1+json" }, 'in field "mediaType"'],
    [{ ...MANIFEST, config: undefined }, 'field "config" is missing'],
    [{ ...MANIFEST, config: { ...CONFIG, mediaType: "application/vnd.in-toto+json" } }, 'in field "config"'],
    [{ ...MANIFEST, layers: null }, 'field "layers" is missing'],
    [{ ...MANIFEST, layers: [{ ...LAYER, digest: "x" }] }, "invalid checksum digest format"],
    [{ ...MANIFEST, layers: [{ ...LAYER, size: -1 }] }, 'field "layers[0].size" is negative'],
    [{ ...MANIFEST, layers: [{ ...LAYER, urls: "x" }] }, 'field "layers[0].urls"'],
    [{ ...MANIFEST, layers: [{ ...LAYER, urls: Array(17).fill("x") }] }, "17 entries, 16 are allowed"],
    [{ ...MANIFEST, layers: [{ ...LAYER, urls: ["x".repeat(2049)] }] }, "too long"],
    [{ ...MANIFEST, layers: [{ ...LAYER, size: 2 ** 60 }] }, 'field "layers[0].size"'],
    [
      { ...MANIFEST, layers: [{ ...LAYER, mediaType: "text/html" }] },
      'media type "text/html" in field "layers[0]"',
    ],
  ];
  for (const [value, message] of refused)
    test(`refused: ${message}`, () => {
      expect(() => decodeManifest(value)).toThrow(message);
    });

  test("annotations have no prototype", () => {
    const text = `{"schemaVersion":2,"manifests":[{"digest":"${D}","size":1,"annotations":{"__proto__":"x"}}]}`;
    const [descriptor] = decodeIndex(JSON.parse(text)).manifests;
    expect(Object.keys(descriptor?.annotations ?? {})).toEqual(["__proto__"]);
    expect(descriptor?.annotations["constructor"]).toBeUndefined();
  });

  test("manifest.json of docker save is read, and refused with the field's path", () => {
    expect(decodeArchiveManifest([{ Config: "c", RepoTags: null, Layers: ["l"] }])).toEqual([
      { config: "c", repoTags: [], layers: ["l"] },
    ]);
    expect(() => decodeArchiveManifest([{ Config: "c", Layers: [7] }])).toThrow("manifest[0].Layers[0]");
    expect(() => decodeArchiveManifest([{ Layers: [] }])).toThrow('field "manifest[0].Config" is missing');
    expect(() => decodeArchiveManifest({})).toThrow("must be a list");
  });
});

describe("image configurations", () => {
  test("what Docker wrote is read, absent fields as their defaults", () => {
    const config = decodeImageConfig({
      architecture: "amd64",
      os: "linux",
      created: "2026-11-21T01:46:56.857258034Z",
      config: { Env: ["A=B"], Cmd: null, ExposedPorts: { "80/tcp": {} } },
      rootfs: { type: "layers", diff_ids: [D] },
      history: [{ created: "2026-11-21T01:46:56Z", created_by: "RUN x", empty_layer: true }],
    });
    expect(config.diffIds).toEqual([D]);
    expect(config.config?.Env).toEqual(["A=B"]);
    expect(config.config?.WorkingDir).toBe("");
    expect(config.history[0]).toEqual({
      created: "2026-11-21T01:46:56Z",
      createdBy: "RUN x",
      author: "",
      comment: "",
      emptyLayer: true,
    });
  });

  const rootfs = { diff_ids: [D] };
  const refused: readonly (readonly [unknown, string])[] = [
    [{ a: 1 }, "invalid image JSON, no RootFS key"],
    [{ rootfs: null }, "invalid image JSON, no RootFS key"],
    [{ rootfs: { diff_ids: ["md5:x"] } }, "digest"],
    [{ rootfs, created: "yesterday" }, 'field "created" is no time'],
    [{ rootfs, config: { Env: "A=B" } }, 'field "config.Env" must be a list'],
    [{ rootfs, config: { Env: ["A=B\0C"] } }, 'field "config.Env" holds a NUL byte'],
    [{ rootfs, history: [{ empty_layer: "yes" }] }, "history[0].empty_layer"],
  ];
  for (const [value, message] of refused)
    test(`refused: ${message}`, () => {
      expect(() => decodeImageConfig(value)).toThrow(message);
    });

  test("a document is refused when it is too large, too deep or no JSON", () => {
    const decode = (value: unknown): unknown => value;
    expect(() => decodeDocument("c.json", Buffer.alloc(MAX_DOCUMENT_BYTES + 1), decode)).toThrow(
      "are allowed",
    );
    expect(() => decodeDocument("c.json", Buffer.from("["), decode)).toThrow("c.json: invalid JSON");
    expect(() => decodeDocument("c.json", Buffer.from("[".repeat(100_000)), decode)).toThrow("levels");
  });
});
