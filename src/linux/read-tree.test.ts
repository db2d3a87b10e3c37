import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { rejection } from "../base/testing/rejection.ts";
import { builtNative } from "../../test/support/native.ts";
import { seeded } from "../../test/support/random.ts";
import { describeWith } from "../../test/support/requires.ts";
import { TarBuilder } from "../../test/support/tar-builder.ts";
import { listTree } from "../../test/support/tree-listing.ts";
import type { TreeChange, TreeDifference, TreeView } from "./native.ts";

const NEVER = new AbortController().signal;
const NOTHING: TreeView = { kind: "overlay", layers: [] };

let work: string;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "gantry-pack-"));
  chmodSync(work, 0o755);
});

afterEach(() => {
  rmSync(work, { recursive: true, force: true });
});

function directory(name: string): string {
  const path = join(work, name);
  mkdirSync(path);
  return path;
}

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

async function applied(name: string, archive: Uint8Array): Promise<string> {
  const path = directory(name);
  await builtNative().applyLayer(path, one(archive), NEVER);
  return path;
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function layerOf(upper: string, before: TreeView = NOTHING): Promise<Buffer> {
  return bytesOf(builtNative().packDiff({ now: { kind: "upper", directory: upper }, before }, NEVER));
}

function overlay(...layers: string[]): TreeView {
  return { kind: "overlay", layers };
}

function rootOf(tree: TreeView): Promise<Buffer> {
  return bytesOf(builtNative().packRoot(tree, undefined, NEVER));
}

async function changesOf(difference: TreeDifference): Promise<string[]> {
  const letters: Readonly<Record<TreeChange["kind"], string>> = { added: "A", changed: "C", deleted: "D" };
  const lines: string[] = [];
  for await (const { kind, path } of builtNative().treeChanges(difference, NEVER))
    lines.push(`${letters[kind]} ${path}`);
  return lines;
}

/** What tar says is in it, one line a name. */
function listing(archive: Buffer): string[] {
  const listed = spawnSync("tar", ["tf", "-", "--quoting-style=escape"], {
    input: archive,
    encoding: "utf8",
  });
  expect(listed.stderr).toBe("");
  return listed.stdout.split("\n").filter((line) => line !== "");
}

const CAPABILITY = Buffer.from("0100000200200000000000000000000000000000", "hex");
/** Version 2: owner rwx, user 1001 r--, group r-x, mask rwx, other ---. */
const ACL = Buffer.from(
  "0200000001000700ffffffff02000400e903000004000500ffffffff10000700ffffffff20000000ffffffff",
  "hex",
);

function corpus(): Buffer {
  const long = "n".repeat(200);
  return new TarBuilder()
    .directory("d/", { mode: 0o2775, uid: 3_000_000_000n, gid: 2_097_152, pax: { uid: "3000000000" } })
    .file("d/large-owner", "x", { pax: { uid: "4000000000", gid: "2097152" } })
    .file("d/nanoseconds", "y", { pax: { mtime: "1234567890.000000001" } })
    .file("d/before-1970", "z", { pax: { mtime: "-12345.25" } })
    .file("d/far-future", "z", { pax: { mtime: "9999999999.5" } })
    .file("d/attributes", "w", { xattrs: { "user.one": "1\n2\0three", "user.empty": "" } })
    .file("d/capable", "c", { mode: 0o755, xattrs: { "security.capability": CAPABILITY } })
    .file("d/acl", "a", { mode: 0o670, xattrs: { "system.posix_acl_access": ACL } })
    .directory("d/inheriting/", { xattrs: { "system.posix_acl_default": ACL } })
    .file("d/inheriting/file", "a")
    .file("d/setuid", "s", { mode: 0o6755, uid: 7, gid: 8 })
    .gnuName(`d/${long}/${long}/`)
    .directory("stand-in/")
    .gnuName(`d/${long}/${long}/${"f".repeat(101)}`)
    .file("stand-in", "long")
    .gnuName(`d/${"p".repeat(120)}/fits-with-prefix`)
    .file("stand-in", "prefix")
    .file("d/new\nline", "1")
    .file("d/ünïcode", "2")
    .file("d/ space ", "4")
    .file("d/*?[\\", "5")
    .gnuLink("/".repeat(2) + "t".repeat(300))
    .symlink("d/long-link", "stand-in", { uid: 9, pax: { mtime: "5.5" } })
    .symlink("d/dangling", "../../../outside")
    .symlink("d/ünk", "ü")
    .hardlink("d/a-second-link", "d/dangling")
    .hardlink("a-name-before", "d/attributes", { xattrs: { "user.one": "1\n2\0three" } })
    .device("d/null", "char", 1, 3, { mode: 0o666 })
    .device("d/disk", "block", 259, 70_000, { mode: 0o660, gid: 6 })
    .fifo("d/fifo", { mode: 0o600, uid: 1 })
    .sparse("d/sparse", "1.0", 300_000, [{ offset: 131_072, data: "data" }])
    .file("d/empty", "")
    .file("d/block", "b".repeat(512))
    .file("d/large", "l".repeat(700_001))
    .directory("empty/", { mode: 0o1777, mtime: 77 })
    .end();
}

describeWith("packDiff", ["root", "native"], () => {
  test("a packed layer, applied and packed again, is the same to the byte", async () => {
    const first = await layerOf(await applied("a", corpus()));
    const second = await applied("b", first);
    expect(listTree(second)).toEqual(listTree(join(work, "a")));
    expect((await layerOf(second)).equals(first)).toBe(true);
    expect((await rootOf({ kind: "plain", directory: second })).equals(first)).toBe(true);
    expect((await rootOf(overlay(second))).equals(first)).toBe(true);
  });

  test("names are bytes", async () => {
    const name = Buffer.from("ff80fe0a", "hex");
    const packed = await layerOf(await applied("a", new TarBuilder().file(name, "3", { mtime: 1 }).end()));
    expect(packed.includes(Buffer.concat([Buffer.from("path="), name]))).toBe(true);
    expect((await layerOf(await applied("b", packed))).equals(packed)).toBe(true);
  });

  test("other readers see what was packed", async () => {
    const source = await applied("a", corpus());
    const packed = await layerOf(source);
    const out = directory("out");
    const read = spawnSync(
      "tar",
      [
        "-xpf",
        "-",
        "-C",
        out,
        "--numeric-owner",
        "--xattrs",
        "--xattrs-include=*",
        "--acls",
        "--warning=no-timestamp",
      ],
      { input: packed, encoding: "utf8" },
    );
    expect(read.stderr).toBe("");
    expect(listTree(out)).toEqual(listTree(source));
  });

  test("whiteouts and opaque marks come back where there is something to hide", async () => {
    const base = await applied(
      "base",
      new TarBuilder()
        .file("etc/gone", "1")
        .file("etc/kept", "2")
        .directory("usr/")
        .file("usr/share/doc", "3")
        .directory("lib/")
        .file("lib/x", "4")
        .end(),
    );
    const layer = new TarBuilder()
      .directory("etc/", { mtime: 5 })
      .file("etc/.wh.gone", "")
      .file("etc/.wh.never-was", "")
      .directory("fresh/", { mtime: 5 })
      .file("fresh/.wh..wh..opq", "")
      .file("lib", "a file where a directory was", { mtime: 5 })
      .directory("usr/", { mtime: 5 })
      .file("usr/.wh..wh..opq", "")
      .file("usr/new", "5", { mtime: 5 })
      .end();
    const upper = await applied("upper", layer);
    const packed = await layerOf(upper, overlay(base));
    expect(listing(packed)).toEqual([
      "etc/",
      "etc/.wh.gone",
      "fresh/",
      "lib",
      "usr/",
      "usr/.wh..wh..opq",
      "usr/new",
    ]);
    const again = await applied("again", packed);
    expect((await layerOf(again, overlay(base))).equals(packed)).toBe(true);
    expect((await rootOf(overlay(again, base))).equals(await rootOf(overlay(upper, base)))).toBe(true);
  });

  test("the difference of two complete trees has the same meaning as an upper directory", async () => {
    const base = await applied("base", corpus());
    const script = `
      set -e; mount -t tmpfs -o size=64m none "$1"; mkdir "$1/upper" "$1/work" "$1/merged" "$1/base"
      "$3" tree export plain "$2" | "$3" tree apply "$1/base" > /dev/null; set -- "$1" "$1/base" "$3" "$4"
      mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work,index=off" "$1/merged"
      cd "$1/merged"
      rm -r d/inheriting d/empty; echo changed > d/capable; chmod 700 empty; mkdir new; ln d/large new/link
      ln -s nowhere new/soft; rm d/fifo; mkdir d/fifo; mkfifo d/fifo/x; mv d/acl new/moved; touch -d @5 d/setuid
      rm -r d/n*n; mkdir d/sparse.d
      cd /; S="$3"
      "$S" tree layer upper "$1/upper" -- overlay "$2" > "$4/upper.tar"
      "$S" tree layer plain "$1/merged" -- plain "$2" > "$4/plain.tar"
      "$S" tree export plain "$1/merged" > "$4/root.tar"
      "$S" tree changes upper "$1/upper" -- overlay "$2" > "$4/upper.txt"
      "$S" tree changes plain "$1/merged" -- plain "$2" > "$4/plain.txt"
      for form in upper plain; do
        mkdir "$1/$form-again"; "$S" tree apply "$1/$form-again" < "$4/$form.tar" > /dev/null
        "$S" tree export overlay "$1/$form-again" "$2" | cmp - "$4/root.tar"
        "$S" tree layer upper "$1/$form-again" -- overlay "$2" | cmp - "$4/$form.tar"
      done
      cmp "$4/upper.txt" "$4/plain.txt"`;
    const shim = join(import.meta.dirname, "..", "..", "build", "gantry-shim");
    const words = ["-m", "sh", "-c", script, "sh", directory("scratch"), base, shim, directory("results")];
    const done = spawnSync("unshare", words, { encoding: "utf8" });
    expect([done.stderr, done.stdout, done.status]).toEqual(["", "", 0]);
  });

  test("names that mean something in a layer are refused there, and exported", async () => {
    const upper = directory("upper");
    mkdirSync(join(upper, "d"));
    writeFileSync(join(upper, "d", ".wh.x"), "");
    const error = await rejection(layerOf(upper));
    expect(error).toMatchObject({ category: "invalid_argument" });
    expect(error.message).toBe(
      'cannot pack the changes: "d/.wh.x": in a layer a name that begins with ".wh." means that something is deleted',
    );
    expect(listing(await rootOf({ kind: "plain", directory: upper }))).toEqual(["d/", "d/.wh.x"]);
  });

  test("mount points are left out as long as nothing is in them", async () => {
    const base = await applied("base", new TarBuilder().directory("etc/", { mtime: 1 }).end());
    const upper = await applied(
      "upper",
      new TarBuilder()
        .directory("etc/", { mtime: 2 })
        .file("etc/hosts", "", { mtime: 2 })
        .directory("proc/")
        .directory("sys/")
        .file("sys/mine", "")
        .end(),
    );
    const difference: TreeDifference = {
      now: { kind: "upper", directory: upper },
      before: overlay(base),
      mountpoints: ["etc", "etc/hosts", "proc", "sys"],
    };
    expect(listing(await bytesOf(builtNative().packDiff(difference, NEVER)))).toEqual(["sys/", "sys/mine"]);
    expect(await changesOf(difference)).toEqual(["A /sys", "A /sys/mine"]);
    writeFileSync(join(upper, "etc/hosts"), "127.0.0.1 x\n");
    expect(await changesOf(difference)).toEqual(["C /etc", "A /etc/hosts", "A /sys", "A /sys/mine"]);
  });

  test("owners are said as the image's", async () => {
    const upper = await applied(
      "upper",
      new TarBuilder()
        .file("root", "", { uid: 100_000, gid: 200_000 })
        .file("user", "", { uid: 101_000, gid: 200_005, mode: 0o670 })
        .end(),
    );
    const ids = { uid: "0 100000 65536\n", gid: "0 200000 65536\n" };
    const now = { kind: "upper", directory: upper } as const;
    const packed = await bytesOf(builtNative().packDiff({ now, before: NOTHING, ids }, NEVER));
    const listed = spawnSync("tar", ["tvf", "-", "--numeric-owner"], { input: packed, encoding: "utf8" });
    expect(listed.stdout).toMatch(/ 0\/0 .* root\n.* 1000\/5 .* user\n$/);
    writeFileSync(join(upper, "stranger"), "");
    expect(
      await rejection(bytesOf(builtNative().packDiff({ now, before: NOTHING, ids }, NEVER))),
    ).toMatchObject({
      category: "invalid_argument",
      message: expect.stringContaining('"stranger": user 0 cannot be mapped'),
    });
  });

  test("random layers on random layers come back to the byte", async () => {
    const random = seeded("random layers");
    for (let round = 0; round < 6; round++) {
      const base = await applied(`base-${round}`, randomLayer(random, false));
      const upper = await applied(`upper-${round}`, randomLayer(random, true));
      const packed = await layerOf(upper, overlay(base));
      const again = await applied(`again-${round}`, packed);
      expect((await layerOf(again, overlay(base))).equals(packed)).toBe(true);
      expect((await rootOf(overlay(again, base))).equals(await rootOf(overlay(upper, base)))).toBe(true);
    }
  }, 30_000);
});

/** Few names, so that layers meet. */
function randomLayer(random: () => number, withWhiteouts: boolean): Buffer {
  const names = ["a", "b", "c", "ü", "long".repeat(30)];
  const builder = new TarBuilder();
  const path = (): string =>
    Array.from(
      { length: 1 + Math.floor(random() * 3) },
      () => names[Math.floor(random() * names.length)] ?? "",
    ).join("/");
  for (let i = 0; i < 25; i++) {
    const at = path();
    const options = {
      mode: 0o600 + Math.floor(random() * 64),
      mtime: Math.floor(random() * 4),
      pax: { mtime: `${Math.floor(random() * 4)}.${Math.floor(random() * 3)}` },
    };
    const slash = at.lastIndexOf("/") + 1;
    const named = (name: string): TarBuilder => (name.length > 99 ? builder.gnuName(name) : builder);
    const roll = random();
    if (roll < 0.4)
      named(`${at}.f`).file(`${at}.f`.slice(0, 99), "x".repeat(Math.floor(random() * 2000)), options);
    else if (roll < 0.7) named(`${at}/`).directory(`${at}/`.slice(0, 99), options);
    else if (roll < 0.8) named(`${at}.l`).symlink(`${at}.l`.slice(0, 99), path().slice(0, 99), options);
    else if (withWhiteouts) {
      const name = roll < 0.9 ? `${at.slice(0, slash)}.wh.${at.slice(slash)}.f` : `${at}/.wh..wh..opq`;
      named(name).file(name.slice(0, 99), "");
    }
  }
  return builder.end();
}

describeWith("treeChanges", ["root", "native"], () => {
  test("tells changes as Docker does", async () => {
    const base = await applied(
      "base",
      new TarBuilder()
        .file("etc/passwd", "root", { mtime: 1 })
        .file("etc/motd", "hi", { mtime: 1 })
        .directory("tmp/")
        .file("was/one", "")
        .file("was/two", "")
        .end(),
    );
    const upper = await applied(
      "upper",
      new TarBuilder()
        .directory("dd/")
        .fifo("dd/fifo")
        .file("dd/new\nline", "")
        .file("etc/.wh.passwd", "")
        .file("etc/motd", "hi", { mtime: 1 })
        .directory("tmp/", { mode: 0o700 })
        .file("was", "now a file")
        .end(),
    );
    const now = { kind: "upper", directory: upper } as const;
    expect(await changesOf({ now, before: overlay(base) })).toEqual([
      "A /dd",
      "A /dd/fifo",
      "A /dd/new\nline",
      "C /etc",
      "D /etc/passwd",
      "C /tmp",
      "C /was",
      "D /was/one",
      "D /was/two",
    ]);
    expect(await changesOf({ now: overlay(upper, base), before: overlay(upper, base) })).toEqual([]);
  });
});

describeWith("packRoot", ["root", "native"], () => {
  test("a reader that stops ends the child, and so does a signal", async () => {
    const tree: TreeView = { kind: "plain", directory: directory("tree") };
    writeFileSync(join(work, "tree/large"), Buffer.alloc(64 << 20));
    for await (const bytes of builtNative().packRoot(tree, undefined, NEVER)) {
      expect(bytes.length).toBeGreaterThan(0);
      break;
    }
    const controller = new AbortController();
    const reading = (async () => {
      for await (const _ of builtNative().packRoot(tree, undefined, controller.signal)) controller.abort();
    })();
    expect((await rejection(reading)).name).toBe("AbortError");
  });

  test("a missing tree, and what an archive cannot hold, are named", async () => {
    const missing = await rejection(rootOf({ kind: "plain", directory: join(work, "none") }));
    expect(missing).toMatchObject({ category: "internal" });
    expect(missing.message).toContain("No such file or directory");
    const deep = directory("deep");
    mkdirSync(join(deep, "d/".repeat(1100)), { recursive: true });
    const error = await rejection(rootOf({ kind: "plain", directory: deep }));
    expect(error).toMatchObject({ category: "invalid_argument" });
    expect(error.message).toContain("it is more than 1000 directories deep");
    await builtNative().removeTree(deep);
  });
});
