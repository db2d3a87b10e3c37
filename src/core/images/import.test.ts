import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Readable } from "node:stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { isCategory } from "../../base/errors.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { writeTar } from "../../base/tar-writer.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";
import { helloWorldArchive } from "./hello-world.ts";
import type { ImportOptions } from "./images.ts";

import { openStore, type TestStore } from "./testing/store.ts";

const NEVER = new AbortController().signal;
const ROOT = writeTar([
  { name: "bin/", kind: "directory" },
  { name: "bin/sh", content: "#!", mode: 0o755 },
]);
const OPTIONS: ImportOptions = { reference: "root:1", message: "", platform: "", config: {} };

let store: TestStore;

beforeEach(async () => {
  store = await openStore();
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
});

async function importTar(tar: Buffer, options: Partial<ImportOptions> = {}) {
  return await store.images.import(Readable.from([tar]), { ...OPTIONS, ...options }, NEVER);
}

describe("import()", () => {
  test("makes one layer with Docker's configuration around it", async () => {
    const image = await importTar(ROOT, { message: "hello", config: { Cmd: ["/bin/sh"], Env: ["A=B"] } });
    const document: unknown = JSON.parse((await store.content.read(image.id, 1 << 20)).toString());
    // As `docker import` 26.1 writes it, less the fields that name Docker's version and the container it never had.
    expect(document).toEqual({
      architecture: "amd64",
      comment: "hello",
      config: {
        Hostname: "",
        Domainname: "",
        User: "",
        AttachStdin: false,
        AttachStdout: false,
        AttachStderr: false,
        Tty: false,
        OpenStdin: false,
        StdinOnce: false,
        Env: ["A=B"],
        Cmd: ["/bin/sh"],
        Image: "",
        Volumes: null,
        WorkingDir: "",
        Entrypoint: null,
        OnBuild: null,
        Labels: null,
      },
      created: image.created,
      history: [{ created: image.created, comment: "hello" }],
      os: "linux",
      rootfs: { type: "layers", diff_ids: [sha256Of(ROOT)] },
    });
    expect(image.tags).toEqual(["docker.io/library/root:1"]);
    expect(store.images.resolve("root:1").config?.Cmd).toEqual(["/bin/sh"]);
  });

  test("says where the tar came from when it is given no message, and needs no name", async () => {
    const image = await importTar(ROOT, { reference: undefined });
    expect(image.comment).toBe("Imported from -");
    expect(image.tags).toEqual([]);
  });

  for (const [name, compress] of [
    ["gzip", gzipSync],
    ["zstd", zstdCompressSync],
  ] as const)
    test(`takes a ${name} tar`, async () => {
      const image = await importTar(compress(ROOT));
      expect(image.layers[0]?.diffId).toBe(sha256Of(ROOT));
      expect(image.layers[0]?.mediaType).toEndWith(`tar+${name}`);
    });

  const byProgram = (name: string): Buffer => execFileSync(name, ["-c"], { input: ROOT });
  for (const name of ["bzip2", "xz"])
    test(`takes a ${name} tar and keeps the plain one`, async () => {
      const image = await importTar(byProgram(name));
      expect(image.layers[0]).toMatchObject({ diffId: sha256Of(ROOT), blob: sha256Of(ROOT) });
      expect(image.layers[0]?.mediaType).toEndWith("tar");
    });

  const refused: readonly (readonly [string, () => Buffer, Partial<ImportOptions>, string])[] = [
    ["garbage", () => Buffer.alloc(2000, "x"), {}, "archive/tar: invalid tar header"],
    ["nothing", () => Buffer.alloc(0), {}, "archive/tar: invalid tar header"],
    ["a truncated tar", () => ROOT.subarray(0, 1200), {}, "unexpected EOF"],
    ["a truncated zstd tar", () => zstdCompressSync(ROOT).subarray(0, -3), {}, "unexpected EOF"],
    ["a truncated xz tar", () => byProgram("xz").subarray(0, -30), {}, "unexpected EOF"],
    ["damaged bzip2", () => Buffer.from("BZh91AY"), {}, "unexpected EOF"],
    [
      "a bad name",
      () => ROOT,
      { reference: "Foo" },
      "invalid reference format: repository name (library/Foo) must be lowercase",
    ],
    ["a digest as name", () => ROOT, { reference: `a@${sha256Of("")}` }, "cannot import digest reference"],
    [
      "another system",
      () => ROOT,
      { platform: "windows/amd64" },
      'operating system is not supported: "windows"',
    ],
    ["no platform", () => ROOT, { platform: "a/b/c/d" }, '"a/b/c/d": invalid platform'],
  ];
  for (const [what, make, options, message] of refused)
    test(`refuses ${what} and leaves nothing`, async () => {
      const error = await rejection(importTar(make(), options));
      expect(error.message).toBe(message);
      expect(isCategory(error, "invalid_argument")).toBe(true);
      await store.snapshots.settled();
      expect(store.files()).toEqual([]);
    });
});

test("hello-world is one layer around the executable, and always the same image", async () => {
  const executable = Buffer.from("\x7fELF, allegedly");
  const [first] = await store.images.load(helloWorldArchive(executable, "amd64"), NEVER);
  const [second] = await store.images.load(helloWorldArchive(executable, "amd64"), NEVER);
  expect(first?.image.id).toBe(second?.image.id ?? "");
  expect(first?.names).toEqual(["hello-world:latest"]);
  expect(store.images.resolve("hello-world").config?.Cmd).toEqual(["/hello"]);
  expect(store.images.list().length).toBe(1);
});
