/** Images to look into: their differences, and their trees mounted on the host. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../../support/engine.ts";
import { GANTRY } from "../../support/engine.ts";
import { type Finished, run } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";

engineSuite("looking into images", {}, (engine) => {
  const ok = (...words: string[]): Promise<string> => engine().ok(words);
  /** A program where the engine's mounts are seen. */
  const beside = (words: readonly string[], of: Engine = engine()): Promise<Finished> =>
    run(["nsenter", `--target=${of.pid}`, "--mount", ...words]);
  const gantry = (...words: string[]): Promise<Finished> =>
    beside([GANTRY, "--host", engine().host, ...words]);
  const mounted = (): string[] =>
    readFileSync(`/proc/${engine().pid}/mountinfo`, "utf8")
      .split("\n")
      .filter((line) => line.includes(" gantry-image:"));
  const idOf = (image: string): Promise<string> => ok("image", "inspect", "-f", "{{.Id}}", image);
  const derive = async (name: string, script: string): Promise<void> => {
    await ok("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000");
    await ok("exec", "box", "sh", "-c", script);
    await ok("commit", "box", name);
    await ok("rm", "-f", "box");
  };

  test("image diff tells what the topmost layer changed, and the way from one image to another", async () => {
    await derive("derived:1", "echo x > /new; rm /etc/group");
    expect(await ok("image", "diff", "derived:1")).toBe("C /etc\nD /etc/group\nA /new");
    expect(await ok("image", "diff", "busybox", "derived:1")).toBe("C /etc\nD /etc/group\nA /new");
    expect(await ok("image", "diff", "derived:1", "busybox")).toBe("C /etc\nA /etc/group\nD /new");
    expect(await ok("image", "diff", "busybox", "busybox")).toBe("");
    expect((await ok("image", "diff", "busybox")).split("\n")).toContain("A /bin/busybox");
    await ok("rmi", "derived:1");
  });

  test("an image is mounted read-only, listed, protected, and unmounted", async () => {
    await derive("derived:1", "echo x > /new; rm /etc/group");
    const id = await idOf("derived:1");
    const place = join(engine().runDir, "images", id.slice("sha256:".length));
    const answer = await gantry("image", "mount", "derived:1");
    expect([answer.stdout.trim(), answer.stderr]).toEqual([place, ""]);
    expect((await gantry("image", "mount", "derived:1")).stdout.trim()).toBe(place);
    expect(mounted()).toHaveLength(1);
    expect((await beside(["cat", join(place, "new")])).stdout).toBe("x\n");
    expect((await beside(["ls", join(place, "etc")])).stdout).toBe("passwd\n");
    expect((await beside(["touch", join(place, "new")])).stderr).toContain("Read-only file system");
    expect((await gantry("image", "mount")).stdout.trim()).toBe(`${id.slice(7, 19)}  ${place}`);
    for (const words of [["derived:1"], ["-f", id]])
      expect((await gantry("rmi", ...words)).stderr).toContain(`image is mounted on "${place}"`);
    await ok("create", "--name", "keep", "--network", "none", "busybox", "true");
    await ok("image", "prune", "-af");
    await ok("rm", "keep");
    expect(await idOf("derived:1")).toBe(id);

    const second = join(engine().dir, "place");
    mkdirSync(second);
    expect((await gantry("image", "mount", "derived:1", second)).stdout.trim()).toBe(second);
    expect((await gantry("image", "mount", "derived:1", second)).stderr).toContain("is mounted on");
    const busy = await beside([
      "sh",
      "-c",
      `cd ${second} && ${GANTRY} --host ${engine().host} image unmount ${second}`,
    ]);
    expect([busy.code, busy.stderr]).toEqual([1, expect.stringContaining("Device or resource busy")]);
    expect((await gantry("image", "unmount", second)).stdout.trim()).toBe(second);
    expect((await gantry("image", "unmount", "derived:1")).stdout.trim()).toBe(place);
    expect(mounted()).toEqual([]);
    expect(readdirSync(join(engine().runDir, "images"))).toEqual([]);
    expect((await gantry("image", "unmount", "derived:1")).stderr).toContain("no image is mounted");
    await ok("rmi", "derived:1");
  });

  test("a mount that its caller would not see is refused, and so is a place that is none", async () => {
    const refused = await engine().gantry(["image", "mount", "busybox"]);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining("the engine has a mount namespace of its own"),
    ]);
    const missing = await gantry("image", "mount", "busybox", "/nowhere");
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining("No such file or directory")]);
    expect(mounted()).toEqual([]);
  });

  test("mounts survive a killed engine, and can still be listed and undone", async () => {
    const place = (await gantry("image", "mount", "busybox")).stdout.trim();
    expect(mounted()).toEqual([expect.stringContaining(` ${place} `)]);
    mkdirSync(join(engine().runDir, "images", "left-over"));
    await engine().kill9();
    await engine().launch();
    expect((await gantry("image", "mount")).stdout).toContain(place);
    expect(existsSync(join(engine().runDir, "images", "left-over"))).toBe(false);
    expect((await gantry("image", "unmount", "busybox")).stdout.trim()).toBe(place);
    expect(mounted()).toEqual([]);
  });
});
