/**
 * Archives that want out, or want too much, each with its twin: nearly the same archive, with nothing wrong, that must
 * work. Beside the root lies what must never change.
 */
import { execFileSync } from "node:child_process";
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  COPY_DOORS,
  type CopyDoor,
  isLayerDoor,
  LAYER_DOORS,
  type LayerDoor,
} from "../../test/support/layer-doors.ts";
import { describeWith } from "../../test/support/requires.ts";
import { paxRecord, TarBuilder } from "../../test/support/tar-builder.ts";
import { listTree, xattrsOf } from "../../test/support/tree-listing.ts";
import { isCategory, messageOf } from "../base/errors.ts";

let work: string;
let root: string;
let outside: string;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "gantry-hostile-"));
  root = join(work, "root");
  mkdirSync(root);
  mkdirSync(join(work, "victim"));
  mkdirSync(join(work, "root-evil"));
  writeFileSync(join(work, "secret"), "token", { mode: 0o600 });
  writeFileSync(join(work, "victim", "hello"), "hello");
  writeFileSync(join(work, "root-evil", "secret"), "secret");
  chownSync(join(work, "victim", "hello"), 12, 34);
  for (const name of ["victim/hello", "victim", "secret"]) utimesSync(join(work, name), 1000, 1000);
  outside = listing();
});

afterEach(() => {
  // The runtime's rmSync walks each path from its top: five seconds for a thousand directories in one another.
  execFileSync("rm", ["-rf", work]);
});

/** Bytes, owners, modes, times, link counts and attributes of everything beside the root. */
function listing(): string {
  return [
    ...listTree(work, { except: "root" }),
    ...["victim", "victim/hello", "secret"].flatMap((name) => xattrsOf(work, name)),
  ].join("\n");
}

async function* one(archive: Uint8Array): AsyncGenerator<Uint8Array> {
  yield archive;
}

type HostileDoor = LayerDoor | CopyDoor;

let door: HostileDoor;

const apply = (archive: Uint8Array) => door.apply(root, one(archive), new AbortController().signal);

async function refused(archive: Uint8Array, says: RegExp): Promise<void> {
  let error: unknown;
  try {
    await apply(archive);
  } catch (caught) {
    error = caught;
  }
  if (error === undefined) throw new Error("it was applied");
  expect(messageOf(error)).toMatch(says);
  expect(isCategory(error, "invalid_argument")).toBe(true);
  expect(messageOf(error)).not.toMatch(/[^\x20-\x7e]/); // printable, one line
}

const text = (name: string) => readFileSync(join(root, name), "utf8");
const stat = (name: string) => lstatSync(join(root, name), { bigint: true });
const tar = () => new TarBuilder();
const deep = (depth: number) => Array.from({ length: depth }, () => "d").join("/");

interface Pair {
  readonly what: string;
  /** Given the host path of the directory that holds the victims. */
  readonly hostile: (work: string) => TarBuilder;
  /** What the refusal says; without, it is applied and must have stayed inside. */
  readonly says?: RegExp;
  readonly contained?: () => void;
  readonly twin: () => TarBuilder;
  readonly works: () => void;
  /** About what only layers have: whiteouts, and what they say of the root itself. */
  readonly ofLayers?: true;
  /** The twin follows a link that ends at the root, and so leads out of a host's directory. */
  readonly fromRoot?: true;
  /** One of them makes something else of a directory, or a directory of something else, which `cp` to a host refuses. */
  readonly changesKinds?: true;
}

const ESCAPES: readonly Pair[] = [
  {
    what: "a name with .. in front",
    hostile: () => tar().file("../victim/hello", "pwned"),
    says: /entry "\.\.\/victim\/hello": name leads out/,
    twin: () => tar().file("victim/hello", "in"),
    works: () => expect(text("victim/hello")).toBe("in"),
  },
  {
    what: "a name that leaves through a directory",
    hostile: () => tar().directory("a").file("a/../../victim/hello", "pwned"),
    says: /name leads out/,
    twin: () => tar().directory("a").file("a/../victim//./hello", "in"),
    works: () => expect(text("victim/hello")).toBe("in"),
  },
  {
    what: "an absolute name with ..",
    hostile: (dir) => tar().file(`/../../../../../../..${dir}/victim/hello`, "pwned"),
    contained: () => expect(readdirSync(root).length).toBe(1),
    twin: () => tar().file("/etc/motd", "in"),
    works: () => expect(text("etc/motd")).toBe("in"),
  },
  {
    what: "the parent itself as a directory",
    ofLayers: true,
    hostile: () => tar().directory("..", { mode: 0o777, mtime: 5 }),
    says: /name leads out/,
    twin: () => tar().directory("./", { mode: 0o711 }),
    works: () => expect(stat(".").mode & 0o777n).toBe(0o711n),
  },
  {
    what: "a file or link in place of the root",
    hostile: () => tar().symlink("./", "/"),
    says: /only a directory can be the root/,
    twin: () => tar().symlink("./x", "/"),
    works: () => expect(stat("x").isSymbolicLink()).toBe(true),
  },
  {
    what: "a file without a name",
    hostile: () => tar().file("", "x"),
    says: /entry "": only a directory can be the root/,
    twin: () => tar().directory("").file("x", "in"),
    works: () => expect(text("x")).toBe("in"),
  },
  {
    what: "a write through a relative link",
    fromRoot: true,
    hostile: () => tar().symlink("out", "../victim").file("out/hello", "pwned"),
    says: /entry "out\/hello"/,
    twin: () => tar().directory("victim").symlink("out", "../victim").file("out/hello", "in"),
    works: () => expect(text("victim/hello")).toBe("in"),
  },
  {
    what: "a write through an absolute link",
    fromRoot: true,
    hostile: (dir) => tar().symlink("out", `${dir}/victim`).file("out/hello", "pwned"),
    says: /entry "out\/hello"/,
    twin: () => tar().directory("run").symlink("var/run", "/run").file("var/run/pid", "in"),
    works: () => expect(text("run/pid")).toBe("in"),
  },
  {
    what: "a way out in two links",
    hostile: () =>
      tar()
        .directory("inner")
        .symlink("inner/up", "..")
        .symlink("inner/up/escape", "../victim")
        .file("inner/up/escape/new", "pwned"),
    says: /entry "inner\/up\/escape\/new"/,
    twin: () => tar().directory("inner").symlink("inner/up", "..").file("inner/up/new", "in"),
    works: () => expect(text("new")).toBe("in"),
  },
  {
    what: "a write through /proc/self/root",
    fromRoot: true,
    hostile: (dir) =>
      tar()
        .symlink("p", "/proc/self/root")
        .symlink("cwd", "/proc/self/cwd")
        .file(`p${dir}/victim/hello`, "pwned"),
    says: /entry "p\//,
    twin: () => tar().directory("proc/self/root").symlink("p", "/proc/self/root").file("p/x", "in"),
    works: () => expect(text("proc/self/root/x")).toBe("in"),
  },
  {
    what: "a hard link to a file outside",
    hostile: () => tar().hardlink("mine", "../victim/hello"),
    says: /entry "mine": link target leads out/,
    twin: () => tar().file("victim/hello", "in").hardlink("mine", "victim/hello"),
    works: () => expect(stat("mine").nlink).toBe(2n),
  },
  {
    what: "a hard link to an absolute name outside",
    hostile: (dir) => tar().hardlink("mine", `${dir}/victim/hello`),
    says: /cannot open the link target: No such file/,
    twin: () => tar().file("victim/hello", "in").hardlink("mine", "/victim/hello"),
    works: () => expect(stat("mine").nlink).toBe(2n),
  },
  {
    what: "a hard link through a link",
    fromRoot: true,
    hostile: () => tar().symlink("out", "../victim").hardlink("mine", "out/hello"),
    says: /cannot open the link target|leads out of the directory/,
    twin: () => tar().file("victim/hello", "in").symlink("out", "../victim").hardlink("mine", "out/hello"),
    works: () => expect(stat("mine").nlink).toBe(2n),
  },
  {
    what: "a hard link to a sibling whose name begins like the root's",
    hostile: () => tar().hardlink("mine", "../root-evil/secret"),
    says: /link target leads out/,
    twin: () => tar().file("root-evil/secret", "in").hardlink("mine", "root-evil/secret"),
    works: () => expect(stat("mine").nlink).toBe(2n),
  },
  {
    what: "a hard link to a directory",
    hostile: () => tar().directory("d").hardlink("mine", "d"),
    says: /link target is a directory/,
    twin: () => tar().symlink("d", "x").hardlink("mine", "d"),
    works: () => expect(stat("mine").isSymbolicLink()).toBe(true),
  },
  {
    what: "new content for a hard link to a link",
    hostile: (dir) =>
      tar()
        .symlink("soft", `${dir}/victim/hello`)
        .hardlink("hard", "soft", { mode: 0o777, uid: 1 })
        .file("hard", "mine"),
    contained: () => expect(text("hard")).toBe("mine"),
    twin: () => tar().file("a", "1").hardlink("b", "a").file("b", "2"),
    works: () => expect(text("a") + text("b")).toBe("12"),
  },
  {
    what: "a file in place of a link",
    hostile: (dir) => tar().symlink("f", `${dir}/victim/hello`).file("f", "mine", { mode: 0o777, uid: 5 }),
    contained: () => expect(text("f")).toBe("mine"),
    twin: () => tar().file("f", "1").file("f", "2"),
    works: () => expect(text("f")).toBe("2"),
  },
  {
    what: "a directory in place of a link",
    changesKinds: true,
    hostile: (dir) =>
      tar().symlink("d", `${dir}/victim`).directory("d", { mode: 0o777, uid: 5, mtime: 7 }).file("d/x"),
    contained: () => expect(stat("d").isDirectory()).toBe(true),
    twin: () => tar().directory("d").directory("d", { mode: 0o700 }).file("d/x"),
    works: () => expect(stat("d").mode & 0o777n).toBe(0o700n),
  },
  {
    what: "a link in place of a directory that still waits for its times",
    changesKinds: true,
    hostile: (dir) => tar().directory("d", { mtime: 7 }).file("d/hello").symlink("d", `${dir}/victim`),
    contained: () => expect(stat("d").isSymbolicLink()).toBe(true),
    twin: () => tar().directory("d", { mtime: 7 }).file("d/hello"),
    works: () => expect(stat("d").mtimeMs).toBe(7_000n),
  },
  {
    what: "a way to give another directory one's times",
    changesKinds: true,
    hostile: () => tar().directory("other", { mtime: 9 }).directory("d", { mtime: 7 }).symlink("d", "other"),
    contained: () => expect(stat("other").mtimeMs).toBe(9_000n),
    twin: () => tar().directory("d", { mtime: 7 }).symlink("d", "other").directory("d", { mtime: 9 }),
    works: () => expect(stat("d").mtimeMs).toBe(9_000n),
  },
  {
    what: "a link in place of a directory that was just written to",
    changesKinds: true,
    hostile: (dir) =>
      tar().directory("d").file("d/one").symlink("d", `${dir}/victim`).file("d/hello", "pwned"),
    says: /entry "d\/hello"/,
    twin: () => tar().directory("d").file("d/one").fifo("d").directory("d").file("d/two", "in"),
    works: () => expect(readdirSync(join(root, "d"))).toEqual(["two"]),
  },
  {
    what: "an opaque mark in a linked directory",
    ofLayers: true,
    hostile: () => tar().symlink("d", "../victim").file("d/.wh..wh..opq"),
    says: /entry "d\/\.wh\.\.wh\.\.opq"/,
    twin: () => tar().directory("d").file("d/.wh..wh..opq"),
    works: () => expect(xattrsOf(root, "d")).toEqual(["trusted.overlay.opaque=y"]),
  },
  {
    what: "a whiteout in a linked directory",
    ofLayers: true,
    hostile: (dir) => tar().symlink("d", `${dir}/victim`).file("d/.wh.hello"),
    says: /entry "d\/\.wh\.hello"/,
    twin: () => tar().directory("d").file("d/.wh.hello"),
    works: () => expect(stat("d/hello").rdev).toBe(0n),
  },
  {
    what: "a whiteout of the parent",
    ofLayers: true,
    hostile: () => tar().file("d/.wh..."),
    says: /whiteout of nothing/,
    twin: () => tar().file("d/.wh...."),
    works: () => expect(stat("d/...").isCharacterDevice()).toBe(true),
  },
  {
    what: "a whiteout of the directory itself",
    ofLayers: true,
    hostile: () => tar().file("d/.wh.."),
    says: /whiteout of nothing/,
    twin: () => tar().file("d/.wh..x"),
    works: () => expect(stat("d/.x").isCharacterDevice()).toBe(true),
  },
  {
    what: "a hard link to a whiteout",
    ofLayers: true,
    hostile: () => tar().file(".wh.x").hardlink("y", "x"),
    says: /link target is a whiteout/,
    twin: () => tar().device("x", "char", 1, 3).hardlink("y", "x"),
    works: () => expect(stat("y").nlink).toBe(2n),
  },
  {
    what: "a PAX path with ..",
    hostile: () => tar().file("good", "pwned", { pax: { path: "../victim/hello" } }),
    says: /name leads out/,
    twin: () => tar().file("../bad", "in", { pax: { path: "good" } }),
    works: () => expect(text("good")).toBe("in"),
  },
  {
    what: "a PAX link path with ..",
    hostile: () =>
      tar()
        .file("good")
        .hardlink("mine", "good", { pax: { linkpath: "../victim/hello" } }),
    says: /link target leads out/,
    twin: () =>
      tar()
        .file("good")
        .hardlink("mine", "../bad", { pax: { linkpath: "good" } }),
    works: () => expect(stat("mine").nlink).toBe(2n),
  },
  {
    what: "a GNU name with .. behind a harmless PAX path",
    hostile: () =>
      tar()
        .gnuName("../victim/hello")
        .file("good", "pwned", { pax: { path: "good" } }),
    says: /name leads out/,
    twin: () =>
      tar()
        .gnuName("wins")
        .file("good", "in", { pax: { path: "loses" } }),
    works: () => expect(text("wins")).toBe("in"),
  },
  {
    what: "a sparse file's name with ..",
    hostile: () => tar().sparse("../victim/hello", "1.0", 10, [{ offset: 0, data: "pwned" }]),
    says: /name leads out/,
    twin: () => tar().sparse("hello", "1.0", 5, [{ offset: 0, data: "in" }]),
    works: () => expect(text("hello")).toBe("in\0\0\0"),
  },
  {
    what: "a loop of links",
    hostile: () => tar().symlink("a", "b").symlink("b", "a").file("a/f", "x"),
    says: /entry "a\/f": .*Too many levels/,
    twin: () => {
      const builder = tar().directory("l0");
      for (let i = 1; i <= 38; i++) builder.symlink(`l${i}`, `l${i - 1}`);
      return builder.file("l38/f", "in");
    },
    works: () => expect(text("l0/f")).toBe("in"),
  },
  {
    what: "a file below a file",
    changesKinds: true,
    hostile: () => tar().file("a", "x").file("a/b", "y"),
    says: /entry "a\/b": .*Not a directory/,
    twin: () => tar().file("a", "x").directory("a").file("a/b", "y"),
    works: () => expect(text("a/b")).toBe("y"),
  },
];

const LIMITS: readonly Pair[] = [
  {
    what: "1001 components",
    hostile: () => tar().file(`${deep(1000)}/f`, "x", { pax: { path: `${deep(1000)}/f` } }),
    says: /more than 1000 components/,
    twin: () => tar().file("f", "x", { pax: { path: `${deep(999)}/f` } }),
    works: () => expect(text(`${deep(999)}/f`)).toBe("x"),
  },
  {
    what: "a component of 256 bytes",
    hostile: () => tar().gnuName("n".repeat(256)).file("x"),
    says: /File name too long/,
    twin: () => tar().gnuName("n".repeat(255)).file("x"),
    works: () => expect(existsSync(join(root, "n".repeat(255)))).toBe(true),
  },
  {
    what: "a path of 4096 bytes",
    hostile: () =>
      tar()
        .gnuName(`${"d".repeat(99)}/`.repeat(41))
        .file("x"),
    says: /path of 4100 bytes is too long/,
    twin: () =>
      tar()
        .gnuName(`${"d".repeat(99)}/`.repeat(30))
        .directory("x"),
    works: () => expect(stat(`${"d".repeat(99)}/`.repeat(30)).isDirectory()).toBe(true),
  },
  {
    what: "a NUL in a PAX path",
    hostile: () => tar().file("x", "", { pax: { path: "good\0/../../evil" } }),
    says: /bad value of PAX record "path"/,
    twin: () => tar().file("x", "in", { pax: { path: "good\n\x1b[31m\u00e9" } }),
    works: () => expect(text("good\n\x1b[31m\u00e9")).toBe("in"),
  },
  {
    what: "a NUL in a GNU name",
    hostile: () => tar().extended("L", "good\0/../../evil\0").file("x"),
    says: /NUL inside a path/,
    twin: () => tar().extended("L", "good\0\0\0").file("x", "in"),
    works: () => expect(text("good")).toBe("in"),
  },
  {
    what: "control characters, named in an error",
    hostile: () => tar().file('../\n\x1b]0;title\x07"\\\u202e', ""),
    says: /entry "\.\.\/\\x0a\\x1b\]0;title\\x07\\x22\\x5c\\xe2\\x80\\xae": name leads out/,
    twin: () => tar().file("\n\x1b]0;title\x07", "in"),
    works: () => expect(text("\n\x1b]0;title\x07")).toBe("in"),
  },
  {
    what: "a PAX header above one MiB",
    hostile: () => tar().file("x", "", { pax: { comment: "c".repeat(1 << 20) } }),
    says: /extended header of \d+ bytes is too large/,
    twin: () => tar().file("x", "in", { pax: { comment: "c".repeat((1 << 20) - 100) } }),
    works: () => expect(text("x")).toBe("in"),
  },
  {
    what: "a global header above one MiB",
    hostile: () =>
      tar()
        .extended("g", paxRecord("comment", "c".repeat(1 << 20)))
        .file("x"),
    says: /global header of \d+ bytes is too large/,
    twin: () => tar().extended("g", paxRecord("path", "../ignored")).file("x", "in"),
    works: () => expect(text("x")).toBe("in"),
  },
  {
    what: "an attribute above the kernel's 64 KiB",
    hostile: () => tar().file("x", "", { xattrs: { "user.big": "v".repeat(65_537) } }),
    says: /cannot set attribute "user\.big"/,
    twin: () => tar().file("x", "", { xattrs: { "user.small": "v".repeat(1_000) } }),
    works: () => expect(xattrsOf(root, "x").length).toBe(1),
  },
  {
    what: "300 attributes",
    hostile: () =>
      tar().file("x", "", {
        xattrs: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`user.${i}`, "1"])),
      }),
    says: /more than 256 extended attributes/,
    twin: () =>
      tar().file("x", "", {
        xattrs: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`user.${i}`, "1"])),
      }),
    works: () => expect(xattrsOf(root, "x").length).toBe(50),
  },
  {
    what: "a sparse file of 8 EiB",
    hostile: () => tar().sparse("x", "1.0", Number.MAX_SAFE_INTEGER * 512, []),
    says: /File too large|bad value|too large/,
    twin: () => tar().sparse("x", "1.0", 2 ** 31, []),
    works: () => expect(stat("x").size).toBe(2n ** 31n),
  },
  {
    what: "a sparse map of a hundred million pieces",
    hostile: () =>
      tar().file("x", "100000000\n0\n0\n".padEnd(512, "\0"), {
        pax: { "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "10" },
      }),
    says: /sparse map has more than/,
    twin: () =>
      tar().file("x", `${"1\n0\n2\n".padEnd(512, "\0")}ok`, {
        pax: { "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "2" },
      }),
    works: () => expect(text("x")).toBe("ok"),
  },
  {
    what: "sparse pieces that overlap",
    hostile: () =>
      tar().sparse("x", "0.1", 100, [
        { offset: 10, data: "aaaa" },
        { offset: 12, data: "bb" },
      ]),
    says: /sparse map does not fit its file/,
    twin: () =>
      tar().sparse("x", "0.1", 4, [
        { offset: 0, data: "aa" },
        { offset: 2, data: "bb" },
      ]),
    works: () => expect(text("x")).toBe("aabb"),
  },
  {
    what: "a sparse piece behind the end",
    hostile: () => tar().sparse("x", "gnu", 100, [{ offset: 99, data: "aa" }]),
    says: /sparse map does not fit its file/,
    twin: () => tar().sparse("x", "gnu", 3, [{ offset: 1, data: "aa" }]),
    works: () => expect(text("x")).toBe("\0aa"),
  },
  {
    what: "a sparse map that says more than there is data",
    hostile: () => tar().file("x", "short", { pax: { "GNU.sparse.map": "0,50", "GNU.sparse.size": "50" } }),
    says: /sparse map does not fit its data/,
    twin: () => tar().file("x", "exact", { pax: { "GNU.sparse.map": "0,5", "GNU.sparse.size": "5" } }),
    works: () => expect(text("x")).toBe("exact"),
  },
];

function pairs(way: HostileDoor, title: string, list: readonly Pair[]): void {
  describe(title, () => {
    for (const { what, hostile, says, contained, twin, works, ...about } of list) {
      const isHosts = !isLayerDoor(way) && way.isHosts;
      if ((about.ofLayers === true && !isLayerDoor(way)) || (about.changesKinds === true && isHosts))
        continue;
      test(`${what} does not get out`, async () => {
        const archive = hostile(work).end();
        if (says === undefined) await apply(archive);
        else await refused(archive, says);
        contained?.();
        expect(listing()).toBe(outside);
      });
      if (about.fromRoot === true && isHosts) continue;
      test(`${what}: the twin works`, async () => {
        await apply(twin().end());
        works();
        expect(listing()).toBe(outside);
      });
    }
  });
}

interface Damaged {
  readonly what: string;
  readonly archive: () => Buffer;
  readonly says: RegExp;
}

const pax = (payload: string) => tar().extended("x", payload).file("x").end();

const DAMAGED: readonly Damaged[] = [
  { what: "no tar at all", archive: () => Buffer.alloc(2048, "rubbish "), says: /wrong header checksum/ },
  {
    what: "a wrong checksum",
    archive: () => tar().file("a", "1").file("x", "", { checksumOff: 1 }).end(),
    says: /header at byte 1024: wrong header checksum/,
  },
  { what: "half a header", archive: () => tar().file("x").unended().subarray(0, 300), says: /truncated/ },
  {
    what: "a body that ends early",
    archive: () => tar().file("x", Buffer.alloc(100_000)).unended().subarray(0, 50_000),
    says: /entry "x": archive is truncated/,
  },
  {
    what: "a body without its padding",
    archive: () => tar().file("x", "abc").unended().subarray(0, 515),
    says: /truncated/,
  },
  {
    what: "a size larger than the data",
    archive: () => tar().file("x", "abc", { size: 1_000_000 }).end(),
    says: /entry "x": archive is truncated/,
  },
  {
    what: "a negative size",
    archive: () => tar().file("x", "", { size: -1n, binaryNumbers: true }).end(),
    says: /bad size/,
  },
  {
    what: "a size of 2^63",
    archive: () =>
      tar()
        .file("x", "", { size: 2n ** 63n, binaryNumbers: true })
        .end(),
    says: /bad size/,
  },
  {
    what: "a size of 2^63 - 1",
    archive: () =>
      tar()
        .file("x", "", { size: 2n ** 63n - 1n, binaryNumbers: true })
        .end(),
    says: /size is out of range/,
  },
  {
    what: "a PAX size of 99999999999999999999",
    archive: () =>
      tar()
        .file("x", "", { pax: { size: "99999999999999999999" } })
        .end(),
    says: /bad value of PAX record "size"/,
  },
  {
    what: "a negative PAX size",
    archive: () =>
      tar()
        .file("x", "", { pax: { size: "-1" } })
        .end(),
    says: /bad value of PAX record "size"/,
  },
  {
    what: "letters in a number",
    archive: () =>
      tar()
        .file("x", "", { edit: (block) => block.write("00x0644", 100) })
        .end(),
    says: /bad mode/,
  },
  {
    what: "a negative owner",
    archive: () => tar().file("x", "", { uid: -1, binaryNumbers: true }).end(),
    says: /user id is out of range/,
  },
  {
    what: "the owner that means nobody is changed",
    archive: () =>
      tar()
        .file("x", "", { pax: { gid: "4294967295" } })
        .end(),
    says: /group id is out of range/,
  },
  {
    what: "a device number that no kernel has",
    archive: () => tar().device("x", "char", 4096, 0).end(),
    says: /device number is out of range/,
  },
  { what: "an unknown type", archive: () => tar().entry("x", "V").end(), says: /unknown entry type 86/ },
  {
    what: "an extended header at the end",
    archive: () => tar().extended("x", paxRecord("path", "y")).end(),
    says: /extended header without its entry/,
  },
  {
    what: "a zero block inside",
    archive: () => tar().file("a").raw(Buffer.alloc(512)).file("b").end(),
    says: /single zero block/,
  },
  { what: "a PAX length that is too long", archive: () => pax("99 path=y\n"), says: /bad length/ },
  { what: "a PAX length that is too short", archive: () => pax("3 path=y\n"), says: /end of line/ },
  { what: "a PAX length of zero", archive: () => pax("0 path=y\n"), says: /end of line/ },
  {
    what: "a PAX length that overflows",
    archive: () => pax("18446744073709551626 a=b\n"),
    says: /bad length/,
  },
  { what: "a PAX record without =", archive: () => pax("7 path\n"), says: /without a key/ },
  { what: "a PAX record without a key", archive: () => pax("6 =ab\n"), says: /without a key/ },
  {
    what: "a PAX time of words",
    archive: () => pax("16 mtime=monday\n"),
    says: /bad value of PAX record "mtime"/,
  },
  {
    what: "sparse 1.0 without a size",
    archive: () =>
      tar()
        .file("x", "", { pax: { "GNU.sparse.major": "1" } })
        .end(),
    says: /sparse file without its size/,
  },
  {
    what: "a sparse format of the future",
    archive: () =>
      tar()
        .file("x", "", { pax: { "GNU.sparse.major": "2" } })
        .end(),
    says: /unknown sparse format 2/,
  },
  {
    what: "a sparse directory",
    archive: () =>
      tar()
        .directory("x", { pax: { "GNU.sparse.map": "0,0", "GNU.sparse.size": "0" } })
        .end(),
    says: /only a file can be sparse/,
  },
  {
    what: "an offset without its length",
    archive: () =>
      tar()
        .file("x", "", { pax: { "GNU.sparse.offset": "5" } })
        .end(),
    says: /bad value of PAX record/,
  },
];

for (const way of [...LAYER_DOORS, ...COPY_DOORS])
  describeWith(`a hostile archive ${way.name}`, ["root", "native", ...way.needs], () => {
    beforeAll(() => {
      door = way;
    });
    pairs(way, "wants out", ESCAPES);
    pairs(way, "wants too much", LIMITS);

    describe("that is damaged", () => {
      for (const { what, archive, says } of DAMAGED)
        test(`${what} is refused`, async () => {
          await refused(archive(), says);
          expect(listing()).toBe(outside);
        });
    });

    test("with signed checksums is read, as old tars wrote them", async () => {
      const name = Buffer.from("\xe9t\xe9", "latin1");
      await apply(tar().file(name, "x", { checksumOff: -512 }).end());
      expect(readdirSync(root, "latin1")).toEqual(["\xe9t\xe9"]);
    });

    test.skipIf("isHosts" in way && way.isHosts)(
      "that names one thing 4,000 times ends with the last",
      async () => {
        const builder = tar();
        for (let i = 0; i < 1_000; i++)
          builder.file("x", `${i}`).symlink("x", `${work}/victim`).directory("x").file("x/inside", `${i}`);
        const usage = await apply(builder.end());
        expect(text("x/inside")).toBe("999");
        if (isLayerDoor(way)) expect(usage).toEqual({ sizeBytes: 3, inodes: 2 });
        expect(listing()).toBe(outside);
      },
    );

    test("is stopped at the first bad entry, without reading the rest", async () => {
      let given = 0;
      const source = (async function* () {
        yield tar().file("../x").unended();
        for (; given < 10_000; given++) yield Buffer.alloc(1 << 16);
      })();
      await door.apply(root, source, new AbortController().signal).then(
        () => expect.unreachable(),
        (error: unknown) => expect(messageOf(error)).toContain("name leads out"),
      );
      expect(given).toBeLessThan(100);
    });
  });
