import { expect, test } from "bun:test";
import { fail } from "../../base/errors.ts";
import { readTar } from "../../base/tar-reader.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";
import { fullReference, parseReference, withDefaultTag } from "../../specs/oci-image/reference.ts";
import type { Content } from "../content/content.ts";
import { MemoryLeases } from "../metadata/memory-leases.ts";
import type { Image } from "./images.ts";
import { saveImages } from "./save.ts";
import { selectImages } from "./select.ts";

const NEVER = new AbortController().signal;

function image(name: string, tags: readonly string[], manifest?: Buffer): Image {
  const blob = sha256Of(`layer of ${name}`);
  return {
    id: sha256Of(`configuration of ${name}`),
    created: "",
    author: "",
    comment: "",
    architecture: "amd64",
    variant: "",
    os: "linux",
    config: null,
    history: [],
    layers: [
      {
        diffId: sha256Of(name),
        chainId: sha256Of(name),
        blob,
        mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip",
        sizeBytes: `layer of ${name}`.length,
      },
    ],
    sizeBytes: 0,
    manifest:
      manifest === undefined
        ? undefined
        : { digest: sha256Of(manifest), mediaType: "application/x.manifest", sizeBytes: manifest.length },
    tags,
    pinned: [],
    attestations: [],
    digests: [],
    variantOf: [],
    taggedAtMs: 0,
  };
}

const ONE = image("one", ["docker.io/library/one:1", "docker.io/library/one:2"]);
const MANIFEST = Buffer.from('{"as":"it came"}');
const TWO = image("two", ["example.org/two:latest"], MANIFEST);

const deps = {
  list: () => [ONE, TWO],
  name: () => undefined,
  resolve: (text: string): Image => {
    const full = text.startsWith("sha256:") ? text : fullReference(withDefaultTag(parseReference(text)));
    const found = [ONE, TWO].find(({ id, tags }) => id === full || tags.includes(full));
    if (found === undefined) throw fail("not_found", `No such image: ${text}`);
    return found;
  },
};

test("a name alone means all of its tags, an id no name, and each image comes once", () => {
  const select = (...names: string[]) =>
    selectImages(deps, names, undefined).map(({ image: { id }, names: chosen }) => [id, ...chosen]);
  expect(select("one")).toEqual([[ONE.id, ...ONE.tags]]);
  expect(select("one:2")).toEqual([[ONE.id, "docker.io/library/one:2"]]);
  expect(select(ONE.id)).toEqual([[ONE.id]]);
  expect(select("one:2", "example.org/two", "one:1")).toEqual([
    [ONE.id, ...ONE.tags],
    [TWO.id, "example.org/two:latest"],
  ]);
  expect(() => select("three")).toThrow("No such image: three");
});

/** Blobs by digest. */
function contentOf(...texts: (string | Buffer)[]): Pick<Content, "open" | "read" | "stat"> {
  const blobs = new Map(texts.map((text) => [sha256Of(text), Buffer.from(text)]));
  const get = (digest: string): Buffer => blobs.get(digest) ?? Buffer.alloc(0);
  return {
    stat: (digest) => (blobs.has(digest) ? { digest, sizeBytes: get(digest).length } : undefined),
    read: (digest) => Promise.resolve(get(digest)),
    async *open(digest) {
      yield await Promise.resolve(get(digest));
    },
  };
}

async function members(archive: AsyncIterable<Uint8Array>): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const entry of readTar(archive, { maxEntries: 100, maxHeaderBytes: 1 << 20 })) {
    const parts: Uint8Array[] = [];
    if (entry.kind === "file") for await (const part of entry.content) parts.push(part);
    found.set(entry.name, Buffer.concat(parts).toString());
  }
  return found;
}

test("an archive holds each blob once, in order, and the manifests that images came by", async () => {
  const content = contentOf(
    "configuration of one",
    "configuration of two",
    "layer of one",
    "layer of two",
    MANIFEST,
  );
  const leases = new MemoryLeases();
  const selected = selectImages(deps, ["one", "example.org/two"], undefined);
  const archive = await members(saveImages({ content, leases }, selected, NEVER));
  const blobs = [...archive.keys()].filter((name) => /^blobs\/sha256\/./.test(name));
  expect(blobs).toEqual(blobs.toSorted());
  expect(blobs).toHaveLength(6);
  for (const name of blobs) expect(name).toBe(`blobs/sha256/${sha256Of(archive.get(name) ?? "").slice(7)}`);
  const index: unknown = JSON.parse(archive.get("index.json") ?? "");
  expect(index).toMatchObject({
    manifests: [
      { annotations: { "io.containerd.image.name": "docker.io/library/one:1" } },
      { annotations: { "org.opencontainers.image.ref.name": "2" } },
      { digest: sha256Of(MANIFEST), mediaType: "application/x.manifest", size: MANIFEST.length },
    ],
  });
  expect(archive.get("manifest.json")).toContain('"RepoTags":["one:1","one:2"]');
  expect(archive.get("repositories")).toContain('"example.org/two":{"latest":');
  expect(leases.active()).toEqual([]);
});

test("an image with a lost or shortened blob is not saved as if it were whole", async () => {
  const selected = selectImages(deps, ["one:1"], undefined);
  const save = (content: Pick<Content, "open" | "read" | "stat">) =>
    members(saveImages({ content, leases: new MemoryLeases() }, selected, NEVER));
  expect(save(contentOf("configuration of one"))).rejects.toThrow("not found");
  const whole = contentOf("configuration of one", "layer of one");
  const short = {
    ...whole,
    async *open() {
      yield await Promise.resolve(Buffer.from("half"));
    },
  };
  expect(save(short)).rejects.toThrow("does not have its");
});
