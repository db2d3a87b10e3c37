/** What an image or a volume puts in the way of set-up: links where directories are expected (CVE-2026-41579 and its kin). */
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { hostileImage } from "../../support/hostile-image.ts";
import type { Finished } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { SLOWNESS } from "../../support/until.ts";
import { Victim } from "../../support/victim.ts";

engineSuite("links in images", {}, (engine) => {
  const run = (...args: string[]): Promise<Finished> =>
    engine().gantry(["run", "--rm", "--network", "none", ...args]);
  const MODES = [[], ["--privileged"], ["--read-only"], ["-t"]] as const;

  test("set-up of /dev, /proc, /sys and /etc follows no link out of the image", async () => {
    const victim = new Victim(join(engine().dir, "victim"));
    const places = [
      "proc",
      "dev",
      "sys",
      "etc",
      "run",
      "dev/pts",
      "dev/shm",
      "dev/mqueue",
      "dev/console",
      "dev/null",
      "sys/fs/cgroup",
      "etc/hosts",
      "etc/resolv.conf",
      "etc/hostname",
      ".dockerenv",
      "etc/mtab",
    ];
    // Absolute, relative, and through the root's own ".."
    const ways = [victim.dir, join("..", "..", "..", "..", victim.dir), join(victim.dir, "file")];
    let ran = 0;
    // On a slow machine each place in one way, in turn.
    const waysOf = (index: number): readonly string[] =>
      SLOWNESS === 1 ? ways : ways.slice(index % ways.length, (index % ways.length) + 1);
    for (const [number, place] of places.entries())
      for (const [index, way] of waysOf(number).entries()) {
        await hostileImage(engine(), "links", (tree) => {
          mkdirSync(dirname(join(tree, place)), { recursive: true });
          symlinkSync(way, join(tree, place));
        });
        const mode = MODES[(index + ran) % MODES.length] ?? [];
        const done = await run(...mode, "links");
        ran++;
        victim.expectUntouched(`${place} -> ${way} ${mode.join(" ")}: ${done.stderr}`);
        expect(done.stdout, place).not.toContain(victim.secret);
      }
    expect(ran).toBeGreaterThanOrEqual(places.length);
    await engine().ok(["rmi", "-f", "links"]);
  }, 240_000);

  test("the same places as plain directories and files are set up as usual", async () => {
    await hostileImage(engine(), "plain", (tree) => {
      for (const place of ["proc", "dev/pts", "dev/shm", "sys", "etc"])
        mkdirSync(join(tree, place), { recursive: true });
      for (const file of ["etc/hosts", "etc/resolv.conf", "etc/hostname"])
        writeFileSync(join(tree, file), "the image's\n");
    });
    const done = await run(
      "--hostname",
      "box",
      "plain",
      "sh",
      "-c",
      "cat /etc/hostname; ls /dev/pts /dev/shm; echo $?",
    );
    expect(done).toMatchObject({ code: 0, stdout: "box\n/dev/pts:\nptmx\n\n/dev/shm:\n0\n" });
    await engine().ok(["rmi", "-f", "plain"]);
  });

  test("a working directory is made inside, whatever the links on the way say", async () => {
    const victim = new Victim(join(engine().dir, "victim-cwd"));
    await hostileImage(engine(), "cwd", (tree) => {
      symlinkSync(victim.dir, join(tree, "abs"));
      symlinkSync(join("../../../../..", victim.dir), join(tree, "rel"));
      symlinkSync("chain1", join(tree, "chain0"));
      for (let i = 1; i < 39; i++) symlinkSync(`chain${i + 1}`, join(tree, `chain${i}`));
      symlinkSync(victim.dir, join(tree, "chain39"));
    });
    const id = await engine().ok(["run", "-d", "--network", "none", "cwd", "sleep", "1000"]);
    for (const way of ["abs", "rel", "chain0"]) {
      await run("-w", `/${way}/new`, "cwd", "true");
      victim.expectUntouched(`${way}/new`);
      const started = await run(
        "-w",
        `/${way}/new/deep`,
        "cwd",
        "sh",
        "-c",
        "echo x > made; ls -l /proc/self/cwd",
      );
      const executed = await engine().gantry(["exec", "-w", `/${way}/new`, id, "sh", "-c", "echo x > made"]);
      victim.expectUntouched(`${way}: ${started.stderr} ${executed.stderr}`);
    }
    // Twin: a directory that is not there yet is made, with the links inside the image followed.
    await hostileImage(engine(), "cwd-twin", (tree) => {
      mkdirSync(join(tree, "real"));
      symlinkSync("/real", join(tree, "link"));
    });
    expect((await run("-w", "/link/a/b", "cwd-twin", "sh", "-c", "pwd; ls /real")).stdout).toBe(
      "/real/a/b\na\n",
    );
    await engine().ok(["rm", "-f", id]);
    await engine().ok(["rmi", "-f", "cwd", "cwd-twin"]);
  }, 60_000);

  test("a working directory through a descriptor never shows the host", async () => {
    const tests = Array.from({ length: 60 }, (_, i) => (i < 40 ? i + 3 : i * 17 + 3)).filter(
      (_, i) => i % SLOWNESS === 0,
    );
    await hostileImage(engine(), "fds", (tree) => {
      for (const fd of tests) symlinkSync(`/proc/self/fd/${fd}`, join(tree, `fd${fd}`));
    });
    const id = await engine().ok(["run", "-d", "--network", "none", "fds", "sleep", "1000"]);
    const host = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const marker = `marker-${host}`;
    writeFileSync(join(engine().dir, marker), "");
    const look = "ls . .. ../.. ../../.. ../../../.. 2>/dev/null; pwd";
    for (const fd of tests) {
      const where = fd % 2 === 0 ? `/proc/self/fd/${fd}` : `/fd${fd}`;
      const done = await run("-w", where, "fds", "sh", "-c", look);
      const exec = await engine().gantry(["exec", "-w", where, id, "sh", "-c", look]);
      for (const { code, stdout } of [done, exec]) {
        expect(stdout, where).not.toContain(marker);
        expect(stdout, where).not.toContain("boot\n");
        if (code === 0) expect(stdout.trim().split("\n").at(-1), where).toStartWith("/");
      }
    }
    await engine().ok(["rm", "-f", id]);
    await engine().ok(["rmi", "-f", "fds"]);
  }, 120_000);

  test("a mount on or below /proc is refused, except procfs itself and files that lxcfs covers", async () => {
    const evil = join(engine().dir, "evil");
    mkdirSync(join(evil, "self", "attr"), { recursive: true });
    writeFileSync(join(evil, "file"), "covered\n");
    for (const target of ["/proc", "/proc/self/attr", "/proc/sys", "/proc/1", "/proc/self", "/x/../proc"]) {
      const done = await run("-v", `${evil}:${target}`, "busybox", "echo", "ran");
      expect(done.stdout, target).toBe("");
      expect(done.code, target).toBeGreaterThan(124);
    }
    expect((await run("--tmpfs", "/proc/self", "busybox", "true")).code).toBeGreaterThan(124);
    expect((await run("-v", `${evil}/file:/proc/uptime`, "busybox", "cat", "/proc/uptime")).stdout).toBe(
      "covered\n",
    );
  });

  test("an image whose /proc or /sys is not a directory does not start", async () => {
    for (const place of ["proc", "sys"]) {
      await hostileImage(engine(), "odd", (tree) => writeFileSync(join(tree, place), "not a directory"));
      const done = await run("odd");
      expect(done.stdout, place).toBe("");
      expect(done.code, place).toBeGreaterThan(124);
    }
    await engine().ok(["rmi", "-f", "odd"]);
  });

  test("an image whose /proc, /sys or /dev is a link, even within it, does not start", async () => {
    for (const [place, starts] of [
      ["proc", false],
      ["sys", false],
      ["dev", false],
      ["var", true],
    ] as const) {
      await hostileImage(engine(), "linked", (tree) => {
        mkdirSync(join(tree, "elsewhere"));
        symlinkSync("elsewhere", join(tree, place));
      });
      const done = await run("-w", "/var/x", "linked");
      expect([place, done.stdout]).toEqual([place, starts ? "ran\n" : ""]);
      await engine().ok(["rmi", "-f", "linked"]);
    }
  });

  test("a volume is not led into the kernel's own files by a link", async () => {
    const evil = join(engine().dir, "led");
    mkdirSync(join(evil, "attr"), { recursive: true });
    await hostileImage(engine(), "leads", (tree) => {
      symlinkSync("/proc/sys", join(tree, "settings"));
      symlinkSync("/sys/kernel", join(tree, "kernel"));
      mkdirSync(join(tree, "real"));
      symlinkSync("/real", join(tree, "plain"));
    });
    for (const target of ["/settings/net", "/settings", "/kernel"]) {
      const done = await run("-v", `${evil}:${target}`, "leads");
      expect([target, done.stdout]).toEqual([target, ""]);
      expect(done.stderr, target).toContain("kernel's own files");
    }
    expect((await run("-v", `${evil}:/plain`, "leads", "ls", "/real")).stdout).toBe("attr\n");
    await engine().ok(["rmi", "-f", "leads"]);
  });

  test("sysctls are written to the kernel, not to what lies over /proc", async () => {
    const evil = join(engine().dir, "fake-sys");
    mkdirSync(join(evil, "net", "ipv4"), { recursive: true });
    writeFileSync(join(evil, "net", "ipv4", "ip_unprivileged_port_start"), "fake");
    await hostileImage(engine(), "sys", (tree) => {
      mkdirSync(join(tree, "proc/sys/net/ipv4"), { recursive: true });
    });
    const key = "net.ipv4.ip_unprivileged_port_start";
    const done = await run(
      "--sysctl",
      `${key}=77`,
      "sys",
      "cat",
      "/proc/sys/net/ipv4/ip_unprivileged_port_start",
    );
    expect(done).toMatchObject({ code: 0, stdout: "77\n" });
    // Whether this is refused or not: the file is not written. Privileged, because then nothing write-protects it.
    await run("--privileged", "-v", `${evil}:/proc/sys`, "--sysctl", `${key}=78`, "busybox", "true");
    expect(readFileSync(join(evil, "net", "ipv4", "ip_unprivileged_port_start"), "utf8")).toBe("fake");
    await engine().ok(["rmi", "-f", "sys"]);
  });
});
