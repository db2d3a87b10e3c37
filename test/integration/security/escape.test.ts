import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../support/engine.ts";
import { dockerArchive, sha256 } from "../../support/images.ts";
import { must } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";

engineSuite("escape", {}, (engine) => {
  const run = (...args: string[]) => engine().gantry(["run", "--rm", "--network", "none", ...args]);
  const sweep = "ls /proc/self/fd | tr '\\n' ' '; for f in /proc/1/fd/*; do readlink $f; done";

  test("nothing beyond 0-2 is open in a container, nor in an exec", async () => {
    // 3 is the directory that ls itself reads
    const done = await run("busybox", "sh", "-c", sweep);
    expect(done.stdout.split("\n")[0]).toStartWith("0 1 2 3 /dev/null");
    const id = await engine().ok(["run", "-d", "--network", "none", "busybox", "sleep", "1000"]);
    expect((await engine().gantry(["exec", id, "sh", "-c", "ls /proc/self/fd | tr '\\n' ' '"])).stdout).toBe(
      "0 1 2 3 ",
    );
    expect((await run("-t", "busybox", "sh", "-c", "ls /proc/self/fd | tr '\\n' ' '")).stdout).toBe(
      "0 1 2 3 ",
    );
  });

  test("a working directory through a descriptor does not reach the host", async () => {
    for (const fd of [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) {
      const done = await run(
        "-w",
        `/proc/self/fd/${fd}`,
        "busybox",
        "sh",
        "-c",
        "ls ../../.. | head -50; pwd",
      );
      if (done.code === 0) expect(done.stdout, String(fd)).not.toContain("boot");
    }
  });

  test("neither the shim nor init can be overwritten from inside", async () => {
    const before = sha256(readFileSync(join(ROOT, "build", "gantry-shim")));
    const attack =
      "for i in 1 2 3 4 5 6 7 8; do for p in /proc/[0-9]*; do (echo x > $p/exe) 2>/dev/null && echo WROTE $p; done; done; echo tried";
    const id = await engine().ok([
      "run",
      "-d",
      "--network",
      "none",
      "--privileged",
      "--pid",
      "host",
      "busybox",
      "sleep",
      "1000",
    ]);
    const attacker = engine().gantry(["exec", id, "sh", "-c", attack]);
    await Promise.all(Array.from({ length: 10 }, () => run("--init", "busybox", "true")));
    expect((await attacker).stdout).toBe("tried\n");
    expect(sha256(readFileSync(join(ROOT, "build", "gantry-shim")))).toBe(before);
    const pid = await engine().ok(["inspect", "-f", "{{.State.Pid}}", id]);
    const shim = /PPid:\t(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    expect(readlinkSync(`/proc/${shim}/exe`)).toStartWith("/memfd:");
  });

  test("symbolic links for /proc, /dev, /sys and /etc in an image reach nothing outside", async () => {
    const dir = join(engine().dir, "links");
    const victim = join(dir, "victim");
    mkdirSync(victim, { recursive: true });
    for (const name of ["proc", "dev", "sys", "etc"]) {
      const tree = join(dir, name, "tree");
      mkdirSync(join(tree, "bin"), { recursive: true });
      writeFileSync(join(tree, "bin", "busybox"), readFileSync("/bin/busybox"), { mode: 0o755 });
      symlinkSync("busybox", join(tree, "bin", "sh"));
      symlinkSync(victim, join(tree, name));
      const layer = join(dir, name, "layer.tar");
      await must(["tar", "-C", tree, "-cf", layer, "."]);
      await dockerArchive({
        work: join(dir, name, "w"),
        target: join(dir, name, "x.tar"),
        names: [`link-${name}`],
        layers: [layer],
        config: { Cmd: ["sh", "-c", "echo ran"] },
      });
      await engine().ok(["load", "-q", "-i", join(dir, name, "x.tar")]);
      for (const extra of [[], ["--privileged"], ["--read-only"], ["-t"]])
        await run(...extra, `link-${name}`);
      expect(existsSync(join(victim, "null")), name).toBe(false);
      const { readdirSync } = await import("node:fs");
      expect(readdirSync(victim), name).toEqual([]);
      await engine().ok(["rmi", "-f", `link-${name}`]);
    }
  });

  test("a masked path cannot be unmasked by the image's own /dev/null", async () => {
    expect(
      (await run("busybox", "sh", "-c", "cat /proc/kcore | wc -c; echo 1 > /proc/sysrq-trigger")).stdout,
    ).toBe("0\n");
    expect((await run("busybox", "sh", "-c", "echo x > /proc/sys/kernel/core_pattern")).stderr).toContain(
      "Read-only file system",
    );
  });
});
