/** checkpoint and restore of real containers; after each test nothing may be left. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { describeWith } from "../../support/requires.ts";
import { Runtime } from "../../support/runtime.ts";
import { until } from "../../support/until.ts";

/** Why criu cannot do anything here; "" when it can. */
function criuComplaint(): string {
  const { error, status, stderr } = spawnSync("criu", ["check"], { encoding: "utf8" });
  if (error !== undefined) return "there is no criu";
  return status === 0
    ? ""
    : (stderr.split("\n").find((line) => line.includes("Error")) ?? "criu check fails");
}

const complaint = criuComplaint();
if (complaint !== "") console.log(`skipped: checkpoint of real containers: ${complaint}`);
const NAMESPACES = ["pid", "mount", "ipc", "uts"].map((type) => ({ type }));
/** Counts in its own memory, and tells how far it has come. */
const COUNTER = "i=0; while :; do i=$((i+1)); echo $i >/count.new; mv /count.new /count; sleep 0.02; done";

describeWith("gantry-runc checkpoint", ["root", "busybox", "native"], () => {
  const runtime = new Runtime();
  let serial = 0;
  const images = (): string => join(runtime.directory, `images-${serial++}`);

  function bundle(script: string, namespaces: readonly object[] = NAMESPACES, more: object = {}): string {
    const path = runtime.bundle({
      args: ["busybox", "sh", "-c", script],
      linux: { namespaces, maskedPaths: ["/proc/keys", "/proc/acpi"], readonlyPaths: ["/proc/sys"] },
      more,
    });
    for (const name of ["mv", "cat"])
      if (!existsSync(join(path, "rootfs/bin", name)))
        writeFileSync(join(path, "rootfs/bin", name), `#!/bin/busybox sh\nexec /bin/busybox ${name} "$@"\n`, {
          mode: 0o755,
        });
    return path;
  }

  const countOf = (path: string): number => {
    const file = join(path, "rootfs/count");
    return existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
  };
  const counted = (path: string, least: number): Promise<void> =>
    until(`the count to be ${least}`, () => countOf(path) >= least, 5000);

  /** Started, and counting. */
  async function counter(id: string, namespaces: readonly object[] = NAMESPACES, more = {}): Promise<string> {
    const path = bundle(COUNTER, namespaces, more);
    expect(await runtime.start("run", "-d", "-b", path, id)).toBe(0);
    await counted(path, 5);
    return path;
  }

  beforeAll(() => runtime.open());
  afterEach(async () => {
    for (const id of ["a", "b", "c", "k"]) await runtime.ok("delete", "-f", id);
    await until(
      `nothing to be left: ${runtime.remains().join(", ")}`,
      () => runtime.remains().length === 0,
      3000,
    );
  });
  afterAll(() => runtime.close());

  test.each([
    ["checkpoint", "--lazy-pages"],
    ["checkpoint", "--status-fd=3"],
    ["restore", "--lazy-pages"],
    ["restore", "--console-socket=/x"],
    ["restore", "--no-pivot"],
  ])("%s %s is refused by name", async (verb, flag) => {
    const { code, stderr } = await runtime.call([verb, flag, "a"]);
    expect(code).toBe(1);
    expect(stderr).toContain(`the flag ${flag.split("=")[0] ?? ""} is not supported: `);
  });

  test("what is not there is neither stored nor restored", async () => {
    expect(await runtime.call(["checkpoint", "none"])).toMatchObject({
      code: 1,
      stderr: "gantry-runc: checkpoint failed: container does not exist\n",
    });
    const path = bundle("true");
    const { code, stderr } = await runtime.call(["restore", "--image-path", images(), "-b", path, "a"]);
    expect(code).toBe(1);
    expect(stderr).toContain("there is no directory");
  });

  test("a created container is not stored", async () => {
    expect(await runtime.start("create", "-b", bundle("true"), "c")).toBe(0);
    expect((await runtime.call(["checkpoint", "--image-path", images(), "c"])).stderr).toContain(
      "container cannot be checkpointed in created state",
    );
  });

  test("a restore whose images are none leaves nothing and says why", async () => {
    const path = bundle("true");
    const empty = images();
    mkdirSync(empty);
    writeFileSync(join(empty, "descriptors.json"), '["","",""]');
    const { code, stderr } = await runtime.call(["restore", "--image-path", empty, "-b", path, "a"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^gantry-runc: restore failed: /);
    expect(stderr).toMatch(complaint === "" ? /criu failed with exit status 1: Error \(criu/ : /criu/);
  });

  const describeCriu = complaint === "" ? describe : describe.skip;
  describeCriu("with criu", () => {
    test("a counter goes on where it was, with masked paths and a bind mount", async () => {
      const source = join(runtime.directory, "data");
      mkdirSync(source);
      const mounts = [
        { destination: "/proc", type: "proc", source: "proc" },
        { destination: "/dev", type: "tmpfs", source: "tmpfs" },
        { destination: "/data", type: "bind", source, options: ["rbind"] },
      ];
      const path = await counter("a", NAMESPACES, { mounts });
      const dir = images();
      await runtime.ok("checkpoint", "--image-path", dir, "a");
      expect((await runtime.call(["state", "a"])).stderr).toContain("container does not exist");
      const count = countOf(path);
      rmSync(join(path, "rootfs/count"));
      const pidFile = join(runtime.directory, "restored-pid");
      expect(
        await runtime.start("restore", "-d", "--image-path", dir, "--pid-file", pidFile, "-b", path, "b"),
      ).toBe(0);
      await until("the count to go on", () => countOf(path) > 0, 5000);
      expect(countOf(path)).toBeGreaterThanOrEqual(count);
      expect(await runtime.state("b")).toMatchObject({
        status: "running",
        pid: Number(readFileSync(pidFile, "utf8")),
      });
      expect(readFileSync(`/proc/${readFileSync(pidFile, "utf8")}/cgroup`, "utf8")).toContain(runtime.cgroup);
      writeFileSync(join(source, "x"), "from outside");
      expect(await runtime.ok("exec", "b", "busybox", "cat", "/data/x")).toBe("from outside");
    });

    test("--leave-running does", async () => {
      const path = await counter("a");
      await runtime.ok("checkpoint", "--leave-running", "--image-path", images(), "a");
      expect(await runtime.state("a")).toMatchObject({ status: "running" });
      await counted(path, countOf(path) + 5);
    });

    test("--pre-dump stores memory that the dump builds on, or says what is missing", async () => {
      const path = await counter("a");
      const first = images();
      const preDump = await runtime.call(["checkpoint", "--pre-dump", "--image-path", first, "a"]);
      if (spawnSync("criu", ["check", "--feature", "mem_dirty_track"]).status === 0) {
        expect(preDump.code).toBe(0);
        const second = images();
        const parent = `../${first.split("/").at(-1) ?? ""}`;
        await runtime.ok(
          "checkpoint",
          "--leave-running",
          "--parent-path",
          parent,
          "--image-path",
          second,
          "a",
        );
        expect(existsSync(join(second, "parent"))).toBe(true);
      } else expect(preDump.stderr).toContain("criu is missing features: mem_dirty_track");
      await counted(path, countOf(path) + 5);
    });

    test("a paused container is stored, too", async () => {
      const path = await counter("a");
      await runtime.ok("pause", "a");
      const dir = images();
      await runtime.ok("checkpoint", "--image-path", dir, "a");
      expect(await runtime.start("restore", "-d", "--image-path", dir, "-b", path, "a")).toBe(0);
      await counted(path, countOf(path) + 5);
    });

    test("a restore in the foreground ends as the process does, with its output in the caller's pipe", async () => {
      const path = bundle("until [ -e /go ]; do sleep 0.02; done; echo out; exit 7");
      // The shell's pipe is one; what spawn() calls so is a socket.
      const command = `"${runtime.program}" --root "${runtime.root}"`;
      spawn("sh", ["-c", `${command} run -b "${path}" a | cat`], { stdio: "ignore" });
      await until("it to run", async () => (await runtime.call(["state", "a"])).stdout.includes('"running"'));
      const dir = images();
      await runtime.ok("checkpoint", "--image-path", dir, "a");
      writeFileSync(join(path, "rootfs/go"), "");
      const again = `(${command} restore --image-path "${dir}" -b "${path}" a; echo $?) | cat`;
      expect(spawnSync("sh", ["-c", again], { encoding: "utf8" }).stdout).toBe("out\n7\n");
    });

    // criu locks a network with iptables-restore.
    const testNetwork =
      spawnSync("sh", ["-c", "command -v iptables-restore"]).status === 0 ? test : test.skip;
    testNetwork("a network namespace by path is entered again (needs iptables)", async () => {
      const holder = spawn("unshare", ["--net", "sleep", "1000"], { stdio: "ignore" });
      const net = `/proc/${holder.pid ?? 0}/ns/net`;
      await until("the namespace", () => readFileSync(`/proc/${holder.pid ?? 0}/comm`, "utf8") === "sleep\n");
      const path = await counter("a", [...NAMESPACES, { type: "network", path: net }]);
      const dir = images();
      await runtime.ok("checkpoint", "--image-path", dir, "a");
      expect(await runtime.start("restore", "-d", "--image-path", dir, "-b", path, "a")).toBe(0);
      const { pid } = await runtime.state("a");
      const inode = (of: string): string =>
        spawnSync("stat", ["-L", "-c", "%i", of], { encoding: "utf8" }).stdout;
      expect(inode(`/proc/${Number(pid)}/ns/net`)).toBe(inode(net));
      holder.kill("SIGKILL");
    });

    test("a restore that is killed is cleared away by delete --force, its criu, too", async () => {
      const path = await counter("a");
      const dir = images();
      await runtime.ok("checkpoint", "--image-path", dir, "a");
      // criu, held up as long as nobody opens the other end of this image.
      const image = join(dir, "inventory.img");
      rmSync(image);
      expect(spawnSync("mkfifo", [image]).status).toBe(0);
      const words = ["--root", runtime.root, "restore", "--image-path", dir, "-b", path, "k"];
      const killed = spawn(runtime.program, words, { stdio: "ignore" });
      await until("criu to run", () =>
        runtime.remains().some((what) => what.includes(" --restore-sibling ")),
      );
      expect((await runtime.state("k"))["status"]).toBe("creating");
      killed.kill("SIGKILL");
      await until("it to end", async () => (await runtime.state("k"))["status"] === "stopped");
      expect(runtime.remains().some((what) => what.includes(" --restore-sibling "))).toBe(true);
      await runtime.ok("delete", "--force", "k");
    });

    test("a container that criu cannot store goes on", async () => {
      const path = await counter("a");
      const { code, stderr } = await runtime.call([
        "checkpoint",
        "--image-path",
        images(),
        "--work-path",
        "/proc",
        "a",
      ]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^gantry-runc: checkpoint failed: criu failed with exit status 1: Error \(criu/);
      await counted(path, countOf(path) + 5);
    });
  });
});
