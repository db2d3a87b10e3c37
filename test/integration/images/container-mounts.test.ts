/** Images that are mounted in containers: `--mount type=image`. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";

engineSuite("images in containers", {}, (engine) => {
  const ok = (...words: string[]): Promise<string> => engine().ok(words);
  const trees = (): string[] =>
    readFileSync(`/proc/${engine().pid}/mountinfo`, "utf8")
      .split("\n")
      .filter((line) => line.includes(" gantry-tree:"));
  const derive = async (): Promise<void> => {
    await ok("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000");
    const script =
      "mkdir -p /data/a && echo in > /data/a/f && ln -s a /data/to && ln -s / /data/out && ln -s ../../.. /data/up && cp /bin/busybox /data/echo";
    await ok("exec", "box", "sh", "-c", script);
    await ok("commit", "box", "tools:1");
    await ok("rm", "-f", "box");
  };
  const mounted = (options: string, ...words: string[]) =>
    engine().gantry([
      "run",
      "--rm",
      "--network",
      "none",
      "--mount",
      `type=image,source=tools:1,target=/x${options}`,
      "busybox",
      ...words,
    ]);

  test("all of it or a part is there, read-only, and its programs run", async () => {
    await derive();
    expect((await mounted("", "cat", "/x/data/a/f")).stdout).toBe("in\n");
    expect((await mounted("", "/x/data/echo", "hello")).stdout).toBe("hello\n");
    const written = await mounted("", "touch", "/x/new");
    expect([written.code, written.stderr]).toEqual([1, expect.stringContaining("Read-only file system")]);
    for (const part of ["data/a", "data/to"])
      expect((await mounted(`,image-subpath=${part}`, "cat", "/x/f")).stdout).toBe("in\n");
    expect((await mounted(",image-subpath=data/a/f", "cat", "/x")).stdout).toBe("in\n");
    for (const part of ["data/out", "data/up", "data/out/etc"]) {
      const { code, stderr } = await mounted(`,image-subpath=${part}`, "true");
      expect([code, stderr]).toEqual([125, expect.stringContaining("it leads out of")]);
    }
    expect((await mounted(",image-subpath=nosuch", "true")).code).toBe(127);
    expect(trees()).toEqual([]);
    await ok("rmi", "tools:1");
  });

  test("it goes on without the daemon, holds its image, and can be copied from when it has ended", async () => {
    await derive();
    const mount = "type=image,src=tools:1,dst=/x";
    await ok("run", "-d", "--name", "web", "--network", "none", "--mount", mount, "busybox", "sleep", "1000");
    expect(trees()).toEqual([]);
    const [point] = JSON.parse(await ok("inspect", "-f", "{{json .Mounts}}", "web"));
    expect(point).toMatchObject({ Type: "image", Name: "tools:1", Destination: "/x", RW: false });
    const refused = await engine().gantry([
      "rmi",
      "-f",
      await ok("image", "inspect", "-f", "{{.Id}}", "tools:1"),
    ]);
    expect(refused.stderr).toContain("image is being used by running container");
    await engine().kill9();
    await engine().launch();
    expect(await ok("exec", "web", "cat", "/x/data/a/f")).toBe("in");
    await ok("stop", "-t", "0", "web");
    await ok("rmi", "-f", "tools:1");
    await ok("image", "prune", "-af");
    await ok("cp", "web:/x/data/a/f", join(engine().dir, "copied"));
    expect(readFileSync(join(engine().dir, "copied"), "utf8")).toBe("in\n");
    await ok("start", "web");
    expect(await ok("exec", "web", "cat", "/x/data/a/f")).toBe("in");
    expect(trees()).toEqual([]);
    await ok("rm", "-f", "web");
  });

  test("what a killed daemon leaves on the host is taken off by the next one", async () => {
    const left = join(engine().runDir, "trees", "left");
    const enter = ["nsenter", `--target=${engine().pid}`, "--mount"];
    await must([...enter, "sh", "-c", `mkdir -p ${left} && mount -t tmpfs gantry-tree:left ${left}`]);
    expect(trees()).toHaveLength(1);
    await engine().kill9();
    await engine().launch();
    expect(trees()).toEqual([]);
    expect(readdirSync(join(engine().runDir, "trees"))).toEqual([]);
  });
});
