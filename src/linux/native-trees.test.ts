/** Trees that are measured and deleted, whatever is in them and whoever changes them meanwhile. */
import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { failureOf } from "../../test/support/failure.ts";
import { builtNative } from "../../test/support/native.ts";
import { describeWith } from "../../test/support/requires.ts";
import { messageOf } from "../base/errors.ts";

const NEVER = new AbortController().signal;

let work: string;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "gantry-addon-"));
});

afterEach(() => {
  // Not fs.rmSync: it gives up on paths longer than the kernel takes.
  spawnSync("rm", ["-rf", work]);
});

/** A chain of `depth` directories below `top`, longer than any path may be, with a file at the bottom. */
function makeDeep(top: string, depth: number): void {
  const chain = Array.from({ length: 199 }, () => "d").join("/");
  const scratch = mkdtempSync(join(work, "deep-"));
  writeFileSync(join(scratch, "inner"), "bottom");
  for (let level = 0; level < depth; level += 200) {
    mkdirSync(join(scratch, "outer", chain), { recursive: true });
    renameSync(join(scratch, "inner"), join(scratch, "outer", chain, "d"));
    renameSync(join(scratch, "outer"), join(scratch, "inner"));
  }
  renameSync(join(scratch, "inner"), top);
  rmSync(scratch, { recursive: true });
}

describeWith("treeUsage()", ["native"], () => {
  test("counts lengths, links' texts, and hard links once; not the root, not directories' own sizes", async () => {
    mkdirSync(join(work, "t/a/b"), { recursive: true });
    writeFileSync(join(work, "t/a/file"), "12345");
    linkSync(join(work, "t/a/file"), join(work, "t/a/b/again"));
    symlinkSync("seven77", join(work, "t/link"));
    writeFileSync(join(work, "outside"), Buffer.alloc(10_000));
    symlinkSync("..", join(work, "t/up"));
    expect(await builtNative().treeUsage(join(work, "t"), NEVER)).toEqual({ sizeBytes: 14, inodes: 5 });
  });

  test("reaches below the longest path, and through wide directories", async () => {
    mkdirSync(join(work, "t"));
    for (let i = 0; i < 3_000; i++) writeFileSync(join(work, "t", `f${i}`), "x");
    makeDeep(join(work, "t", "m"), 2_400);
    for (let i = 0; i < 100; i++) mkdirSync(join(work, "t", `d${i}`));
    expect(await builtNative().treeUsage(join(work, "t"), NEVER)).toEqual({
      sizeBytes: 3_006,
      inodes: 5_501,
    });
  }, 30_000);

  test("stops when the signal comes", async () => {
    makeDeep(join(work, "t"), 1_000);
    const abort = new AbortController();
    const reason = new Error("enough");
    const usage = builtNative().treeUsage(join(work, "t"), abort.signal);
    abort.abort(reason);
    expect(await failureOf(() => usage)).toBe(reason);
    expect(await failureOf(() => builtNative().treeUsage(join(work, "t"), abort.signal))).toBe(reason);
  });

  test("of a missing tree is ENOENT", async () => {
    expect(await failureOf(() => builtNative().treeUsage(join(work, "none"), NEVER))).toMatchObject({
      code: "ENOENT",
      path: join(work, "none"),
    });
  });
});

describeWith("removeTree()", ["native"], () => {
  test("removes files, links and trees, and what is not there is fine", async () => {
    const native = builtNative();
    mkdirSync(join(work, "t/a/b/c"), { recursive: true });
    for (const name of ["t/f", "t/a/f", "t/a/b/c/f"]) writeFileSync(join(work, name), "x");
    spawnSync("mkfifo", [join(work, "t/fifo")]);
    await native.removeTree(join(work, "t"));
    await native.removeTree(join(work, "t"));
    await native.removeTree(join(work, "no/such/parent"));
    writeFileSync(join(work, "file"), "x");
    await native.removeTree(`${join(work, "file")}/`);
    expect(readdirSync(work)).toEqual([]);
  });

  test("follows no link, whatever it leads to", async () => {
    mkdirSync(join(work, "victim/sub"), { recursive: true });
    writeFileSync(join(work, "victim/sub/file"), "x");
    mkdirSync(join(work, "t/a"), { recursive: true });
    symlinkSync(join(work, "victim"), join(work, "t/absolute"));
    symlinkSync("../../victim/sub", join(work, "t/a/relative"));
    symlinkSync("/", join(work, "t/root"));
    symlinkSync(join(work, "victim"), join(work, "top"));
    await builtNative().removeTree(join(work, "t"));
    await builtNative().removeTree(join(work, "top"));
    expect(readdirSync(work)).toEqual(["victim"]);
    expect(readFileSync(join(work, "victim/sub/file"), "utf8")).toBe("x");
  });

  test("removes 5,000 levels, and wide directories", async () => {
    makeDeep(join(work, "t"), 5_000);
    for (let i = 0; i < 5_000; i++) writeFileSync(join(work, "t/d/d", `f${i}`), "");
    for (let i = 0; i < 500; i++) mkdirSync(join(work, "t/d", `e${i}`));
    makeDeep(join(work, "t/second"), 1_000);
    await builtNative().removeTree(join(work, "t"));
    expect(readdirSync(work)).toEqual([]);
  }, 30_000);

  test("refuses the root directory and names that are none", async () => {
    for (const path of ["/", "///", `${work}/.`, `${work}/t/..`])
      expect(await failureOf(() => builtNative().removeTree(path))).toMatchObject({ code: "EINVAL" });
    expect(existsSync(work)).toBe(true);
  });

  test("of a tree that others change meanwhile never touches anything outside", async () => {
    mkdirSync(join(work, "victim"));
    writeFileSync(join(work, "victim/file"), "x");
    const busy = spawn(
      "sh",
      [
        "-c",
        `cd "$0" && while :; do
           mkdir -p t/x/y; : >t/x/y/f; mv t/x t/z; ln -s "$0/victim" t/x; mv t/z "$0/aside"; rm -f t/x; mv "$0/aside" t/x
         done 2>/dev/null`,
        work,
      ],
      { stdio: "ignore" },
    );
    const ended = new Promise((resolve) => {
      busy.once("exit", resolve);
    });
    try {
      for (let round = 0; round < 200; round++) {
        mkdirSync(join(work, "t/deep/er"), { recursive: true });
        // It may lose the race against somebody who never stops adding; it may not fail in another way.
        await builtNative()
          .removeTree(join(work, "t"))
          .catch((error: unknown) => expect(messageOf(error)).toMatch(/^(ENOTEMPTY|EAGAIN)/));
      }
    } finally {
      busy.kill("SIGKILL");
      await ended;
    }
    await builtNative().removeTree(join(work, "t"));
    expect(existsSync(join(work, "t"))).toBe(false);
    expect(readFileSync(join(work, "victim/file"), "utf8")).toBe("x");
  }, 30_000);

  test("runs many at once", async () => {
    const names = Array.from({ length: 40 }, (_, i) => join(work, `t${i}`));
    for (const name of names) mkdirSync(join(name, "a/b/c"), { recursive: true });
    await Promise.all(names.map((name) => builtNative().removeTree(name)));
    expect(readdirSync(work)).toEqual([]);
  });
});

describeWith("removeTree() and mounts", ["root", "native"], () => {
  /** Runs code of this repository in a mount namespace that has a tmpfs at t/sub/mounted. */
  function inNamespace(code: string): string {
    mkdirSync(join(work, "t/sub/mounted"), { recursive: true });
    const mounted = join(work, "t/sub/mounted");
    const script = `
      import { builtNative } from ${JSON.stringify(join(import.meta.dirname, "../../test/support/native.ts"))};
      const native = builtNative();
      const work = ${JSON.stringify(work)};
      ${code}`;
    const done = spawnSync(
      "unshare",
      [
        "-m",
        "sh",
        "-c",
        `mount -t tmpfs none "$0" && echo precious >"$0/file" && "$1" -e "$2" && cat "$0/file"`,
        mounted,
        process.execPath,
        script,
      ],
      { encoding: "utf8" },
    );
    expect(done.stderr).toBe("");
    return done.stdout;
  }

  test("a mount below is an error and stays as it is", () => {
    const said = inNamespace(`
      const error = await native.removeTree(work + "/t").catch((error) => error);
      console.log(error.code, error.message);`);
    expect(said).toMatch(
      /^EBUSY EBUSY: .* cannot remove "t\/sub\/mounted": it is a mount point\nprecious\n$/,
    );
  });

  test("treeUsage() does not look into a mount", () => {
    const said = inNamespace(`
      console.log(JSON.stringify(await native.treeUsage(work + "/t", new AbortController().signal)));`);
    expect(said).toMatch(/^\{"sizeBytes":0,"inodes":1\}\nprecious\n$/);
  });

  test("an immutable file is named as such", async () => {
    mkdirSync(join(work, "t/a"), { recursive: true });
    writeFileSync(join(work, "t/a/file"), "x");
    if (spawnSync("chattr", ["+i", join(work, "t/a/file")]).status !== 0) {
      console.log("skipped: this file system has no immutable files");
      return;
    }
    try {
      const error = await failureOf(() => builtNative().removeTree(join(work, "t")));
      expect(error).toMatchObject({ code: "EPERM" });
      expect(messageOf(error)).toContain(
        'cannot remove "t/a/file": it is immutable or append-only (chattr -ia)',
      );
    } finally {
      spawnSync("chattr", ["-i", join(work, "t/a/file")]);
    }
  });

  test("a directory's descriptor does not stay open", async () => {
    mkdirSync(join(work, "t/a/b"), { recursive: true });
    const open = () => spawnSync("sh", ["-c", `ls -l /proc/${process.pid}/fd`]).stdout.toString();
    const fd = openSync(join(work, "t/a"), "r");
    expect(open()).toContain(join(work, "t/a"));
    closeSync(fd);
    await builtNative().treeUsage(join(work, "t"), NEVER);
    await builtNative().removeTree(join(work, "t"));
    expect(open()).not.toContain(work);
  });
});
