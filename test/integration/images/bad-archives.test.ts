import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync, existsSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { Engine } from "../../support/engine.ts";
import { busyboxArchive, busyboxRoot, dockerArchive } from "../../support/images.ts";
import { must } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { describeWith } from "../../support/requires.ts";

/** One clear line: no stack trace, nothing about our insides. */
function oneLine(text: string): void {
  expect(text.trim().split("\n").length, text).toBe(1);
  expect(text).not.toMatch(/\bat .*\.ts|undefined|\[object/);
}

engineSuite("bad archives", {}, (engine) => {
  const workDir = (name: string): string => {
    const dir = join(engine().dir, name);
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true });
    return dir;
  };
  const images = () => engine().ok(["images", "-aq"]);

  async function refused(archive: string, says: RegExp): Promise<void> {
    const before = await images();
    const done = await engine().gantry(["load", "-i", archive]);
    expect(done.code).toBe(1);
    expect(done.stderr).toMatch(says);
    oneLine(done.stderr);
    expect(await images()).toBe(before);
  }

  test("something that is no archive", async () => {
    const file = join(workDir("garbage"), "x");
    writeFileSync(file, "this is not an archive\n".repeat(100));
    await refused(file, /archive|tar/i);
  });

  test("a file that is not there", async () => {
    const done = await engine().gantry(["load", "-i", "/no/such/file"]);
    expect(done.code).toBe(1);
    expect(done.stderr).toContain("/no/such/file");
    oneLine(done.stderr);
  });

  test("a truncated archive", async () => {
    const file = join(workDir("short"), "x.tar");
    const whole = readFileSync(await busyboxArchive());
    writeFileSync(file, whole.subarray(0, whole.length / 2));
    await refused(file, /unexpected end|truncated|EOF/i);
  });

  test("a layer whose digest is not what the configuration says", async () => {
    const dir = workDir("liar");
    await dockerArchive({
      work: join(dir, "w"),
      target: join(dir, "x.tar"),
      names: ["liar"],
      layers: [await busyboxRoot()],
      diffIds: [`sha256:${"0".repeat(64)}`],
      config: {},
    });
    await refused(join(dir, "x.tar"), /digest|diffID|diff id/i);
  });

  test("a layer with an entry that leaves the root touches nothing outside", async () => {
    const dir = workDir("escape");
    const victim = join(dir, "victim");
    mkdirSync(victim);
    mkdirSync(join(dir, "t"));
    symlinkSync(victim, join(dir, "t", "link"));
    await must(["tar", "-C", join(dir, "t"), "-cf", join(dir, "layer.tar"), "link"]);
    mkdirSync(join(dir, "t2", "link"), { recursive: true });
    writeFileSync(join(dir, "t2", "link", "planted"), "x");
    await must(["tar", "-C", join(dir, "t2"), "-rf", join(dir, "layer.tar"), "link/planted"]);
    writeFileSync(join(dir, "evil"), "x");
    mkdirSync(join(dir, "sub"));
    await must(["tar", "-C", join(dir, "sub"), "-P", "-rf", join(dir, "layer.tar"), "../evil"]);
    await dockerArchive({
      work: join(dir, "w"),
      target: join(dir, "x.tar"),
      names: ["escape"],
      layers: [join(dir, "layer.tar")],
      config: {},
    });
    await engine().gantry(["load", "-i", join(dir, "x.tar")]);
    expect(existsSync(join(victim, "planted"))).toBe(false);
    await engine().gantry(["rmi", "-f", "escape"]);
  });

  test("bad references", async () => {
    for (const name of ["UPPER", "a:b:c", "-x", "a@sha256:1", "x/"]) {
      const done = await engine().gantry(["tag", "busybox", name]);
      expect(done.code, name).not.toBe(0);
    }
    expect((await engine().api("GET", "/images/UPPER/json")).status).toBe(400);
    expect((await engine().api("GET", "/images/absent/json")).status).toBe(404);
  });

  test("an image in use is a conflict", async () => {
    await engine().ok(["create", "--network", "none", "busybox"]);
    const done = await engine().gantry(["rmi", "busybox"]);
    expect(done.code).toBe(1);
    expect(done.stderr).toContain("conflict");
    expect((await engine().api("DELETE", "/images/busybox")).status).toBe(409);
  });
});

describeWith("a full disk", ["root", "busybox"], () => {
  test("load says so once, leaves nothing half-made, and works when there is room again", async () => {
    // A small file system below a directory of its own, in this process's mount table only as long as the test runs.
    const dir = join(process.env["TMPDIR"] ?? "/tmp", `gantry-full-${process.pid}`);
    mkdirSync(dir, { recursive: true });
    spawnSync("mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", dir]);
    process.env["GANTRY_TEST_DIR"] = dir;
    try {
      const engine = await Engine.start();
      try {
        const ballast = join(dir, "ballast");
        writeFileSync(ballast, Buffer.alloc(9 << 20));
        const done = await engine.gantry(["load", "-i", await busyboxArchive()]);
        expect(done.code).toBe(1);
        expect(done.stderr).toMatch(/no space left/i);
        oneLine(done.stderr);
        expect(await engine.ok(["images", "-aq"])).toBe("");
        rmSync(ballast);
        await engine.ok(["load", "-i", await busyboxArchive()]);
        expect((await engine.ok(["images", "-q"])).split("\n").length).toBe(1);
      } finally {
        await engine.close();
      }
    } finally {
      delete process.env["GANTRY_TEST_DIR"];
      spawnSync("umount", ["-l", dir]);
      rmSync(dir, { recursive: true, force: true });
    }
  }, 60_000);
});
