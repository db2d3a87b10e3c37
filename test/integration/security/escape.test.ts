import { expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../support/engine.ts";
import { hostileImage } from "../../support/hostile-image.ts";
import { dockerArchive, sha256 } from "../../support/images.ts";
import { must } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { Victim } from "../../support/victim.ts";

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

  test("a program that leads back to the runtime's own is not executed", async () => {
    await hostileImage(engine(), "own-exe", (tree) => {
      symlinkSync("/proc/self/exe", join(tree, "start"));
      mkdirSync(join(tree, "twin"));
      symlinkSync("/bin/true", join(tree, "twin", "true"));
    });
    const id = await engine().ok(["run", "-d", "--network", "none", "own-exe", "sleep", "1000"]);
    for (const program of ["/proc/self/exe", "/start", "/proc/self/fd/3", "/proc/thread-self/exe"]) {
      const done = await run("own-exe", program);
      expect([program, done.code]).toEqual([program, program.includes("fd") ? 127 : 126]);
      expect((await engine().gantry(["exec", id, program])).code, program).toBeGreaterThan(125);
    }
    expect((await run("own-exe", "/twin/true")).code).toBe(0);
    await engine().ok(["rm", "-f", id]);
    await engine().ok(["rmi", "-f", "own-exe"]);
  });

  test("an exec starts from the container's root, as its first process does", async () => {
    const id = await engine().ok(["run", "-d", "--network", "none", "busybox", "sleep", "1000"]);
    const roots =
      "ls /; ls -a /.. | tail -n +3; readlink /proc/self/root; grep -c ' / / ' /proc/self/mountinfo";
    const first = await run("busybox", "sh", "-c", roots);
    expect(first.stdout).not.toContain("boot");
    expect((await engine().gantry(["exec", id, "sh", "-c", roots])).stdout).toBe(first.stdout);
    await engine().ok(["rm", "-f", id]);
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
    // The link is to a setting of the container's own namespace: whoever gets through harms nobody else.
    const dev = join(engine().dir, "dev");
    mkdirSync(dev);
    symlinkSync("/proc/sys/kernel/domainname", join(dev, "null"));
    const look = "echo pwned > /proc/interrupts; cat /proc/interrupts; cat /proc/sys/kernel/domainname";
    expect((await run("-v", `${dev}:/dev`, "busybox", "sh", "-c", look)).stdout).toBe("(none)\n");
    expect((await run("busybox", "sh", "-c", look)).stdout).toBe("(none)\n");
    expect((await run("busybox", "sh", "-c", ": >> /proc/sys/kernel/core_pattern")).stderr).toContain(
      "Read-only file system",
    );
  });

  test("a path that cannot be masked or write-protected is an error, not an open door", async () => {
    const start = async (host: object): Promise<number> => {
      const created = await engine().api("POST", "/containers/create", {
        Image: "busybox",
        Cmd: ["true"],
        HostConfig: { NetworkMode: "none", ...host },
      });
      const id = /"Id":"([0-9a-f]{64})"/.exec(created.body)?.[1] ?? "";
      const { status } = await engine().api("POST", `/containers/${id}/start`);
      await engine().ok(["rm", "-f", id]);
      return status;
    };
    // Through a link in the kernel's own files.
    expect(await start({ MaskedPaths: ["/proc/self/status"] })).toBe(500);
    expect(await start({ ReadonlyPaths: ["/proc/self/status"] })).toBe(500);
    // Twins: what is there, and what is not.
    expect(await start({ MaskedPaths: ["/proc/uptime", "/proc/none"] })).toBe(204);
    expect(await start({ ReadonlyPaths: ["/proc/uptime", "/proc/none"] })).toBe(204);
  });

  test("a terminal is not put in the place that a link in /dev names", async () => {
    const victim = new Victim(join(engine().dir, "victim-console"));
    const dev = join(engine().dir, "dev-console");
    mkdirSync(join(dev, "pts"), { recursive: true });
    symlinkSync(join(victim.dir, "new"), join(dev, "console"));
    const bound = ["-t", "-v", `${dev}:/dev`, "-v", "/dev/pts:/dev/pts"];
    expect((await run(...bound, "busybox", "echo", "ran")).stdout).not.toContain("ran");
    victim.expectUntouched("/dev/console");
    // Twin: a file is as good a place as any.
    rmSync(join(dev, "console"));
    writeFileSync(join(dev, "console"), "");
    expect((await run(...bound, "busybox", "echo", "ran")).stdout).toContain("ran");
  });
});
