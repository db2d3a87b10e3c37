/** Archives that want out of their root, through both doors by which files of strangers come in: import and load. */
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { join } from "node:path";
import { sha256 } from "../../support/images.ts";
import { engineSuite } from "../../support/suite.ts";
import { TarBuilder } from "../../support/tar-builder.ts";

/** `outside`: the host's path of the directory with the victim. Those that are not refused must have stayed inside. */
const LAYERS: readonly (readonly [string, (outside: string) => TarBuilder, "refused" | "contained"])[] = [
  ["a name with ..", () => new TarBuilder().file("../../../../victim/hello", "pwned"), "refused"],
  [
    "an absolute name with ..",
    (to) => new TarBuilder().file(`/../../../../../..${to}/hello`, "pwned"),
    "contained",
  ],
  [
    "a write through a link",
    (to) => new TarBuilder().symlink("out", to).file("out/hello", "pwned"),
    "refused",
  ],
  [
    "a way out in two links",
    (to) => new TarBuilder().symlink("up", "..").symlink("up/escape", to).file("up/escape/hello", "pwned"),
    "refused",
  ],
  [
    "a hard link to a file outside",
    (to) => new TarBuilder().hardlink("hello", `../../../../../..${to}/hello`),
    "refused",
  ],
  [
    "a directory's mode through a link",
    (to) =>
      new TarBuilder()
        .symlink("out", to)
        .directory("out", { mode: 0o777 })
        .directory("out/", { mode: 0o777 }),
    "contained",
  ],
  ["a whiteout of the parent", () => new TarBuilder().file(".wh...", ""), "refused"],
  [
    "an opaque mark in a linked directory",
    (to) => new TarBuilder().symlink("out", to).file("out/.wh..wh..opq", ""),
    "refused",
  ],
  [
    "a PAX path with ..",
    () => new TarBuilder().file("x", "pwned", { pax: { path: "../../../victim/hello" } }),
    "refused",
  ],
  [
    "an attribute of overlayfs's",
    () => new TarBuilder().directory("d", { xattrs: { "trusted.overlay.redirect": "/etc" } }),
    "contained",
  ],
  [
    "a sparse map without end",
    () =>
      new TarBuilder().file("GNUSparseFile.1/x", "99999999\n", {
        pax: {
          "GNU.sparse.major": "1",
          "GNU.sparse.minor": "0",
          "GNU.sparse.name": "x",
          "GNU.sparse.realsize": "1",
        },
      }),
    "refused",
  ],
  ["a name of 256 bytes", () => new TarBuilder().gnuName("n".repeat(256)).file("x", ""), "refused"],
];

const COMPRESSIONS = {
  plain: (bytes: Buffer): Buffer => bytes,
  gzip: (bytes: Buffer): Buffer => gzipSync(bytes),
  zstd: (bytes: Buffer): Buffer => zstdCompressSync(bytes),
};

function imageOf(tar: Buffer, packed: Buffer): Buffer {
  const config = Buffer.from(
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: [`sha256:${sha256(tar)}`] },
    }),
  );
  const manifest = [{ Config: "config.json", RepoTags: ["hostile:1"], Layers: ["layer.tar"] }];
  return new TarBuilder()
    .file("config.json", config)
    .file("layer.tar", packed)
    .file("manifest.json", JSON.stringify(manifest))
    .end();
}

engineSuite("hostile layers", {}, (engine) => {
  for (const [compression, pack] of Object.entries(COMPRESSIONS))
    for (const door of ["import", "load"] as const)
      test(`through ${door}, ${compression}, touch nothing outside`, async () => {
        const outside = join(engine().dir, "victim");
        mkdirSync(outside, { recursive: true });
        writeFileSync(join(outside, "hello"), "hello", { mode: 0o600 });
        const facts = (): unknown => {
          const { ino, mode, nlink, mtimeMs, size } = statSync(join(outside, "hello"));
          return [
            ino,
            mode,
            nlink,
            mtimeMs,
            size,
            statSync(outside).mode,
            readFileSync(join(outside, "hello"), "utf8"),
          ];
        };
        const before = facts();
        for (const [what, build, expected] of LAYERS) {
          const tar = build(outside).end();
          const input = door === "import" ? pack(tar) : imageOf(tar, pack(tar));
          const done = await engine().gantry(door === "import" ? ["import", "-", "hostile:1"] : ["load"], {
            input,
          });
          expect([what, done.code === 0 ? "contained" : "refused", done.stderr]).toEqual([
            what,
            expected,
            expected === "refused" ? expect.stringMatching(/^Error[^\n]*\n$/) : "",
          ]);
          expect([what, facts()]).toEqual([what, before]);
          if (done.code === 0) await engine().ok(["rmi", "hostile:1"]);
        }
        expect(await engine().ok(["images", "-q", "hostile"])).toBe("");
      });
});
