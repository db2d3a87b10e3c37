import { spawnSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { failureOf } from "../../test/support/failure.ts";
import { LAYER_DOORS, type LayerDoor } from "../../test/support/layer-doors.ts";
import { builtNative, NATIVE_PATHS } from "../../test/support/native.ts";
import { describeWith } from "../../test/support/requires.ts";
import { TarBuilder } from "../../test/support/tar-builder.ts";
import { listTree, xattrsOf } from "../../test/support/tree-listing.ts";
import { applyLayer } from "./apply-layer.ts";
import type { TreeUsage } from "./native.ts";

const NEVER = new AbortController().signal;

async function* chunksOf(archive: Uint8Array, size = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < archive.length; at += size) yield archive.subarray(at, at + size);
}

let work: string;
let root: string;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "gantry-apply-"));
  root = join(work, "root");
  mkdirSync(root);
});

afterEach(() => {
  rmSync(work, { recursive: true, force: true });
});

let door: LayerDoor;

function apply(archive: Uint8Array, signal: AbortSignal = NEVER): Promise<TreeUsage> {
  return door.apply(root, chunksOf(archive), signal);
}

/** The same on a complete tree, where whiteouts delete. */
function applyToBase(archive: Uint8Array): { status: number | null; stdout: string; stderr: string } {
  const done = spawnSync(NATIVE_PATHS.shim, ["tree", "apply", "--base", root], {
    input: archive,
    encoding: "utf8",
  });
  return { status: done.status, stdout: done.stdout, stderr: done.stderr };
}

const stat = (name: string) => lstatSync(join(root, name), { bigint: true });
const text = (name: string) => readFileSync(join(root, name), "utf8");
const isWhiteout = (name: string) => stat(name).isCharacterDevice() && stat(name).rdev === 0n;
const isOpaque = (name: string) => xattrsOf(root, name).includes("trusted.overlay.opaque=y");

for (const way of LAYER_DOORS)
  describeWith(`applyLayer ${way.name}`, ["root", "native", ...way.needs], () => {
    beforeAll(() => {
      door = way;
    });
    test("makes every type with owner, mode, nanosecond times and links", async () => {
      const usage = await apply(
        new TarBuilder()
          .directory("./", { mode: 0o700, mtime: 1_000 })
          .directory("d/", { mode: 0o2775, uid: 7, gid: 8, mtime: 1_111 })
          .file("d/plain", "hello", {
            mode: 0o640,
            uid: 1000,
            gid: 100,
            pax: { mtime: "1234567890.123456789" },
          })
          .file("d/suid", "x", { mode: 0o6755, uid: 5, gid: 6 })
          .symlink("d/link", "/nowhere", { uid: 9, gid: 9, mtime: 2_222 })
          .hardlink("d/second", "d/plain", {
            mode: 0o640,
            uid: 1000,
            gid: 100,
            pax: { mtime: "1234567890.123456789" },
          })
          .device("d/null", "char", 1, 3, { mode: 0o666 })
          .device("d/disk", "block", 259, 70000, { mode: 0o660, gid: 6 })
          .fifo("d/fifo", { mode: 0o600 })
          .directory("sticky", { mode: 0o1777 })
          .end(),
      );
      expect(usage).toEqual({ sizeBytes: 5 + 1 + 8, inodes: 8 });
      expect(stat("d").mode & 0o7777n).toBe(0o2775n);
      expect([stat("d").uid, stat("d").gid, stat("d").mtimeMs]).toEqual([7n, 8n, 1_111_000n]);
      expect(stat(".").mtimeMs).toBe(1_000_000n);
      expect(stat("sticky").mode & 0o7777n).toBe(0o1777n);
      expect(text("d/plain")).toBe("hello");
      expect(stat("d/plain").mtimeNs).toBe(1_234_567_890_123_456_789n);
      expect([stat("d/plain").uid, stat("d/plain").gid, stat("d/plain").mode & 0o7777n]).toEqual([
        1000n,
        100n,
        0o640n,
      ]);
      expect(stat("d/suid").mode & 0o7777n).toBe(0o6755n);
      expect(stat("d/plain").ino).toBe(stat("d/second").ino);
      expect([stat("d/link").isSymbolicLink(), stat("d/link").uid, stat("d/link").mtimeMs]).toEqual([
        true,
        9n,
        2_222_000n,
      ]);
      expect(stat("d/null").rdev).toBe(0x103n);
      expect(stat("d/disk").isBlockDevice()).toBe(true);
      expect(stat("d/fifo").isFIFO()).toBe(true);
    });

    test("reads what GNU tar writes, in all its formats, as GNU tar does", async () => {
      const source = join(work, "source");
      const long = "n".repeat(120);
      mkdirSync(join(source, long, long), { recursive: true });
      writeFileSync(join(source, long, long, "deep"), "deep");
      writeFileSync(join(source, "hello"), "hello\n");
      spawnSync("sh", [
        "-c",
        'cd "$0" && ln hello twin && ln -s hello soft && mkfifo pipe && mknod null c 1 3 && chmod 4711 hello &&' +
          "truncate -s 3M holes && printf x | dd of=holes bs=1 seek=1500000 conv=notrunc 2>/dev/null &&" +
          "touch -d '2001-02-03 04:05:06.789' hello && chown 3000000:4000000 soft",
        source,
      ]);
      const variants = [["gnu"], ["gnu", "-S"], ["pax"], ["pax", "-S", "--sparse-version=0.0"]];
      variants.push(["pax", "-S", "--sparse-version=0.1"], ["pax", "-S", "--sparse-version=1.0"]);
      for (const [format, ...flags] of variants) {
        const packed = spawnSync("tar", ["-C", source, `--format=${format}`, ...flags, "-cf", "-", "."], {
          maxBuffer: 64 << 20,
        });
        expect(packed.stderr.toString()).toBe("");
        const other = join(work, "other");
        mkdirSync(other);
        spawnSync("tar", ["-C", other, "--numeric-owner", "-xpf", "-"], { input: packed.stdout });
        await apply(packed.stdout);
        expect(listTree(root), `${format} ${flags.join(" ")}`).toEqual(listTree(other));
        if (flags.length > 0) expect(stat("holes").blocks * 512n).toBeLessThan(100_000n);
        rmSync(root, { recursive: true });
        rmSync(other, { recursive: true });
        mkdirSync(root);
      }
    });

    test("understands long names, links, base-256 numbers and PAX overrides", async () => {
      const long = `${"a".repeat(200)}/${"b".repeat(200)}`;
      await apply(
        new TarBuilder()
          .gnuName(long)
          .file("cut", "1")
          .gnuLink("t".repeat(300))
          .symlink("gnu-link", "cut")
          .file("wrong", "2", { pax: { path: "right", uid: "4000000000", gid: "2097152", mtime: "-1.5" } })
          .symlink("pax-link", "wrong", { pax: { linkpath: "x".repeat(1000) } })
          .file("base256", "3", { format: "gnu", binaryNumbers: true, uid: 3_000_000_000, mtime: -5 })
          .file("short-size", "sized by PAX", { size: 0, pax: { size: "12" } })
          .file("file", "4", { prefix: "prefix/dir" })
          .file("old", "5", { format: "v7" })
          .entry("v7dir/", "\0", "", { format: "v7", mode: 0o755 })
          .file("in-global", "6", {})
          .extended("g", "19 comment=ignored\n")
          .file("pax-beaten", "7", { pax: { comment: "é", "path.unknown": "1" } })
          .file("contiguous", "", {})
          .entry("contiguous", "7", "8")
          .end(),
      );
      expect(text(long)).toBe("1");
      expect(
        spawnSync("readlink", [join(root, "gnu-link")])
          .stdout.toString()
          .trim(),
      ).toBe("t".repeat(300));
      expect(
        spawnSync("readlink", [join(root, "pax-link")])
          .stdout.toString()
          .trim(),
      ).toBe("x".repeat(1000));
      expect([stat("right").uid, stat("right").gid, stat("right").mtimeNs]).toEqual([
        4_000_000_000n,
        2_097_152n,
        -1_500_000_000n,
      ]);
      expect([stat("base256").uid, stat("base256").mtimeMs]).toEqual([3_000_000_000n, -5_000n]);
      expect(text("short-size")).toBe("sized by PAX");
      expect(text("prefix/dir/file")).toBe("4");
      expect(stat("v7dir").isDirectory()).toBe(true);
      expect(text("contiguous")).toBe("8");
    });

    for (const format of ["gnu", "0.0", "0.1", "1.0"] as const)
      test(`reads sparse files of format ${format}`, async () => {
        const extents = Array.from({ length: 60 }, (_, i) => ({
          offset: i * 100_000 + 17,
          data: `piece ${i}`,
        }));
        const usage = await apply(
          new TarBuilder()
            .sparse("holes", format, 10_000_000, extents)
            .sparse("nothing", format, 5_000, [])
            .file("after", "x")
            .end(),
        );
        const expected = Buffer.alloc(10_000_000);
        for (const { offset, data } of extents) expected.write(data, offset);
        expect(readFileSync(join(root, "holes")).equals(expected)).toBe(true);
        expect(stat("holes").blocks * 512n).toBeLessThan(1_000_000n);
        expect(stat("nothing").size).toBe(5_000n);
        expect(text("after")).toBe("x");
        expect(usage.sizeBytes).toBe(10_005_001);
      });

    test("keeps wanted attributes and drops those that would speak to the host", async () => {
      const capability = Buffer.from("0100000200200000000000000000000000000000", "hex"); // cap_net_raw=ep
      const acl = Buffer.from(
        "0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000400ffffffff",
        "hex",
      );
      await apply(
        new TarBuilder()
          .file("ping", "x", {
            uid: 3,
            mode: 0o755,
            xattrs: {
              "security.capability": capability,
              "user.note": "yes",
              "user.overlay.metacopy": "",
              "trusted.overlay.redirect": "/etc",
              "trusted.overlay.opaque": "y",
              "security.selinux": "system_u:object_r:bin_t:s0",
            },
          })
          .hardlink("ping2", "ping", { uid: 3, mode: 0o755 })
          .directory("d", {
            xattrs: { "system.posix_acl_default": acl, "user.d": "1", "trusted.overlay.opaque": "y" },
          })
          .file("d/child", "x", { mode: 0o640 })
          .file("acl", "x", { xattrs: { "system.posix_acl_access": acl } })
          .symlink("soft", "x", { xattrs: { "user.note": "impossible on a link" } })
          .end(),
      );
      const names = (name: string) => xattrsOf(root, name).map((line) => line.slice(0, line.indexOf("=")));
      expect(names("ping")).toEqual(["security.capability", "user.note"]);
      expect(xattrsOf(root, "ping")).toContain("user.note=yes");
      expect(names("d")).toEqual(["system.posix_acl_default", "user.d"]);
      expect(names("d/child")).toEqual([]); // the default ACL came after the children
      expect(stat("d/child").mode & 0o777n).toBe(0o640n);
      expect(names("acl")).toEqual(["system.posix_acl_access"]);
      expect(names("soft")).toEqual([]);
    });

    test("makes missing parents 0755 and ours, and directories' times survive their entries", async () => {
      await apply(
        new TarBuilder()
          .file("a/b/c/file", "x", { uid: 5 })
          .directory("late", { mtime: 500 })
          .file("late/one", "1")
          .file("other", "2")
          .file("late/two", "3")
          .directory("a/b", { mtime: 600, mode: 0o711, uid: 9 })
          .end(),
      );
      expect([stat("a").mode & 0o7777n, stat("a").uid]).toEqual([0o755n, 0n]);
      expect([stat("a/b").mode & 0o7777n, stat("a/b").uid, stat("a/b").mtimeMs]).toEqual([
        0o711n,
        9n,
        600_000n,
      ]);
      expect(stat("late").mtimeMs).toBe(500_000n);
    });

    test("lets a later entry replace an earlier one of any type", async () => {
      const makers: readonly ((builder: TarBuilder, turn: number) => TarBuilder)[] = [
        (builder, turn) => builder.file("x", `turn ${turn}`),
        (builder) => builder.directory("x").file("x/inside", "deep").directory("x/more/and/more"),
        (builder) => builder.symlink("x", "/elsewhere"),
        (builder) => builder.fifo("x"),
        (builder) => builder.hardlink("x", "base"),
      ];
      for (const last of makers) {
        const builder = new TarBuilder().file("base", "base");
        for (let turn = 0; turn < 100; turn++) makers[turn % makers.length]?.(builder, turn);
        const usage = await apply(last(builder, 100).end());
        expect(usage).toEqual(await builtNative().treeUsage(root, NEVER));
        expect(readdirSync(root).sort()).toEqual(["base", "x"]);
        rmSync(join(root, "x"), { recursive: true });
        rmSync(join(root, "base"));
      }
    });

    test("links to a link, to an absolute name, and through a link inside the root", async () => {
      await apply(
        new TarBuilder()
          .directory("real")
          .file("real/f", "f")
          .symlink("var", "/real")
          .symlink("up", "../../../real")
          .hardlink("absolute", "/real/f")
          .hardlink("through", "var/f")
          .hardlink("of-link", "var")
          .file("var/added", "a")
          .file("up/added2", "b")
          .hardlink("real/f", "real/f")
          .end(),
      );
      expect(stat("absolute").ino).toBe(stat("real/f").ino);
      expect(stat("through").ino).toBe(stat("real/f").ino);
      expect(stat("of-link").isSymbolicLink()).toBe(true);
      expect(text("real/added")).toBe("a");
      expect(text("real/added2")).toBe("b");
    });

    test("turns whiteouts into overlayfs's own, whichever order the layer has", async () => {
      const usage = await apply(
        new TarBuilder()
          .directory("d")
          .file("d/.wh.gone", "")
          .file(".wh.missing-parent/../x/.wh.y", "")
          .file("d/.wh..wh..opq", "")
          .file("d/new", "n")
          .file(".wh.dir-after", "")
          .directory("dir-after", { mode: 0o700 })
          .file("dir-after/f", "1")
          .directory("dir-before")
          .file(".wh.dir-before", "")
          .file(".wh.implied", "")
          .file("implied/f", "2")
          .file(".wh.file-after", "")
          .file("file-after", "3")
          .file("file-before", "4")
          .file(".wh.file-before", "")
          .directory(".wh..wh.plnk")
          .file(".wh..wh.plnk/123.45", "aufs")
          .file(".wh..wh.aufs", "")
          .end(),
      );
      expect(isWhiteout("d/gone")).toBe(true);
      expect(isWhiteout("x/y")).toBe(true);
      expect(isOpaque("d")).toBe(true);
      expect(isOpaque("dir-after")).toBe(true);
      expect(stat("dir-after").mode & 0o7777n).toBe(0o700n);
      expect(isOpaque("dir-before")).toBe(true);
      expect(isOpaque("implied")).toBe(true);
      expect([text("file-after"), text("file-before")]).toEqual(["3", "4"]);
      expect(readdirSync(root).filter((name) => name.startsWith(".wh."))).toEqual([]);
      expect(usage).toEqual(await builtNative().treeUsage(root, NEVER));
    });

    test("with --base deletes what whiteouts name, never what the layer brought", () => {
      mkdirSync(join(root, "d/old/deeper"), { recursive: true });
      mkdirSync(join(root, "d/kept"));
      for (const name of ["gone", "d/a", "d/old/b", "d/old/deeper/c", "d/kept/old", "stays"])
        writeFileSync(join(root, name), name);
      const done = applyToBase(
        new TarBuilder()
          .file("d/new", "n")
          .file("d/kept/new", "n")
          .file("d/old/deeper/new", "n")
          .file("d/.wh..wh..opq", "")
          .file("d/afterwards", "n")
          .file(".wh.gone", "")
          .file(".wh.never-there", "")
          .file("no/such/parent/.wh.x", "")
          .file("brought", "b")
          .file(".wh.brought", "")
          .end(),
      );
      expect(done.stderr).toBe("");
      const files = spawnSync("find", [root, "-type", "f", "-printf", "%P\n"]).stdout.toString().trim();
      expect(files.split("\n").sort()).toEqual([
        "brought",
        "d/afterwards",
        "d/kept/new",
        "d/new",
        "d/old/deeper/new",
        "stays",
      ]);
      expect(readdirSync(root).includes("no")).toBe(false);
    });

    test("tolerates what Docker tolerates at the end", async () => {
      const one = new TarBuilder().file("f", "1");
      await apply(one.unended());
      await apply(Buffer.concat([one.unended(), Buffer.alloc(512)]));
      await apply(Buffer.concat([one.end(), Buffer.from("garbage ".repeat(100_000))]));
      await apply(Buffer.concat([one.end(), new TarBuilder().file("ignored", "").end()]));
      expect(readdirSync(root)).toEqual(["f"]);
      await apply(Buffer.alloc(1024));
      await apply(Buffer.alloc(0));
    });

    test("applies a body larger than every buffer, whatever pieces it comes in, and is done with each when it asks for the next", async () => {
      const body = Buffer.alloc(9_000_001, "0123456789abcdef");
      const archive = new TarBuilder().file("big", body).file("after", "x").end();
      for (const size of [1_000, 511, 65_537, archive.length]) {
        await door.apply(root, chunksOf(archive, size), NEVER);
        expect(readFileSync(join(root, "big")).equals(body)).toBe(true);
        expect(text("after")).toBe("x");
      }
      const piece = Buffer.alloc(70_000);
      const reused = async function* (): AsyncGenerator<Uint8Array> {
        for await (const chunk of chunksOf(archive, piece.length)) {
          piece.set(chunk);
          yield piece.subarray(0, chunk.length);
          piece.fill(0xee);
        }
      };
      await door.apply(root, reused(), NEVER);
      expect(readFileSync(join(root, "big")).equals(body)).toBe(true);
      const piped = spawnSync("sh", ["-c", `cat | "$0" tree apply "$1"`, NATIVE_PATHS.shim, root], {
        input: archive,
      });
      expect(piped.stderr.toString()).toBe("");
      expect(readFileSync(join(root, "big")).equals(body)).toBe(true);
    });
  });

/** A program in the shim's place. */
function stub(script: string): string {
  const path = join(work, "stub");
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

describeWith("applyLayer's child", [], () => {
  test("is killed when the signal comes", async () => {
    const abort = new AbortController();
    const stuck = stub("exec sleep 1000");
    const reason = new Error("enough");
    const done = applyLayer(stuck, "apply", root, chunksOf(Buffer.alloc(0)), abort.signal);
    abort.abort(reason);
    expect(await failureOf(done)).toBe(reason);
  });

  test("is killed when the source fails, and the source's error is what the caller sees", async () => {
    const broken = new Error("connection reset");
    const source = (async function* () {
      yield Buffer.alloc(512);
      throw broken;
    })();
    expect(await failureOf(applyLayer(stub("exec sleep 1000"), "apply", root, source, NEVER))).toBe(broken);
  });

  test("ends the reading when it ends, even of a source that never answers again", async () => {
    const { promise: told, resolve } = Promise.withResolvers<void>();
    const source: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => {}),
        return() {
          resolve();
          return Promise.resolve({ done: true, value: undefined });
        },
      }),
    };
    const failing = stub('echo "tree: entry \\"x\\": name leads out of the root" >&2; exit 1');
    expect(await failureOf(applyLayer(failing, "apply", root, source, NEVER))).toMatchObject({
      category: "invalid_argument",
      message: 'cannot apply layer: entry "x": name leads out of the root',
    });
    await told;
  });

  test("holds the source back", async () => {
    let given = 0;
    const source = (async function* () {
      for (; given < 1_000; given++) yield Buffer.alloc(1 << 20);
    })();
    const done = applyLayer(stub("head -c 3145728 >/dev/null; kill -9 $$"), "apply", root, source, NEVER);
    expect(await failureOf(done)).toMatchObject({
      category: "internal",
      message: expect.stringContaining("SIGKILL"),
    });
    expect(given).toBeLessThan(10);
  });

  test("may say 64 KiB on stderr, the rest is dropped", async () => {
    const loud = stub("head -c 10000000 /dev/zero | tr '\\0' x >&2; exit 2");
    const error: unknown = await applyLayer(loud, "apply", root, chunksOf(Buffer.alloc(0)), NEVER).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ category: "internal" });
    expect(error instanceof Error ? error.message.length : 0).toBeLessThan(65_600);
  });

  test("that cannot be started is an internal error", async () => {
    const missing = applyLayer(join(work, "missing"), "apply", root, chunksOf(Buffer.alloc(1 << 20)), NEVER);
    expect(await failureOf(missing)).toMatchObject({
      category: "internal",
      message: expect.stringContaining("cannot start"),
    });
  });
});
