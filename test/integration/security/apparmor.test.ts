import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { engineSuite } from "../../support/suite.ts";

engineSuite("AppArmor", { needs: ["apparmor"] }, (engine) => {
  const sh = (script: string, ...flags: string[]) =>
    engine().gantry(["run", "--rm", "--network", "none", ...flags, "busybox", "sh", "-c", script]);
  const label = "cat /proc/1/attr/current";

  test("a container is under the default profile, enforced; inspect and info say so", async () => {
    const id = await engine().ok(["run", "-d", "--network", "none", "busybox", "sleep", "1000"]);
    expect(await engine().ok(["exec", id, "cat", "/proc/1/attr/current"])).toBe("gantry-default (enforce)");
    expect(await engine().ok(["inspect", "-f", "{{.AppArmorProfile}}", id])).toBe("gantry-default");
    expect(await engine().json("GET", "/info")).toMatchObject({
      SecurityOptions: expect.arrayContaining(["name=apparmor"]),
      Warnings: null,
    });
  });

  test("an exec is under the container's profile, a privileged one too", async () => {
    const id = await engine().ok(["run", "-d", "--network", "none", "busybox", "sleep", "1000"]);
    const own = ["cat", "/proc/self/attr/current"];
    expect(await engine().ok(["exec", id, ...own])).toBe("gantry-default (enforce)");
    expect(await engine().ok(["exec", "--privileged", id, ...own])).toBe("gantry-default (enforce)");
  });

  test("mount is denied although CAP_SYS_ADMIN is given; without the profile it works", async () => {
    const script = "mkdir -p /m && mount -t tmpfs none /m && echo mounted";
    const admin = ["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"];
    const denied = await sh(script, ...admin);
    expect(denied.stdout).toBe("");
    expect(denied.stderr).toContain("ermission denied");
    const allowed = await sh(script, ...admin, "--security-opt", "apparmor=unconfined");
    expect(allowed.stdout).toBe("mounted\n");
  });

  test("/proc and /sys are not written to, even where no mount protects them", async () => {
    // Opened for writing, nothing written: where the profile lets it through, the host is not touched.
    const targets = [
      "/proc/sysrq-trigger",
      "/proc/sys/kernel/core_pattern",
      "/proc/sys/vm/panic_on_oom",
      "/proc/irq/default_smp_affinity",
      "/sys/power/state",
      "/sys/module/apparmor/parameters/audit",
      "/sys/fs/ext4/features/lazy_itable_init",
    ];
    const script = targets.map((path) => `(: >>${path}) 2>/dev/null && echo ${path}`).join("; ");
    expect((await sh(`${script}; echo ok >/proc/self/comm && echo done`, "--privileged")).stdout).toContain(
      "/proc/sysrq-trigger\n",
    );
    const confined = ["--privileged", "--security-opt", "apparmor=gantry-default"];
    expect((await sh(`${script}; echo ok >/proc/self/comm && echo done`, ...confined)).stdout).toBe("done\n");
    const shared = "echo 1 >/proc/sys/kernel/shm_rmid_forced && echo written";
    expect((await sh(shared, "--security-opt", "systempaths=unconfined")).stdout).toBe("written\n");
  });

  test("a process outside cannot be seen into nor signalled", async () => {
    const outside = ["--pid", "host", "--cap-add", "SYS_PTRACE", "--cap-add", "KILL"];
    const script = `readlink /proc/${process.pid}/exe; kill -0 ${process.pid}; echo end`;
    const done = await sh(script, ...outside);
    expect(done.stdout).toBe("end\n");
    expect(done.stderr).toContain("ermission denied");
    const free = await sh(script, ...outside, "--security-opt", "apparmor=unconfined");
    expect(free.stdout).toMatch(/^\/.+\nend\n$/);
  });

  test("--privileged and apparmor=unconfined are unconfined, and inspect says so", async () => {
    for (const flags of [["--privileged"], ["--security-opt", "apparmor=unconfined"]]) {
      expect((await sh(label, ...flags)).stdout).toBe("unconfined\n");
      const id = await engine().ok(["create", ...flags, "busybox", "true"]);
      expect(await engine().ok(["inspect", "-f", "{{.AppArmorProfile}}", id])).toBe("unconfined");
    }
  });

  test("another profile is taken by its name, also with no-new-privileges", async () => {
    const text = "profile gantry-test-own { file, capability, signal, }\n";
    const parser = (flag: string) => spawnSync("apparmor_parser", [flag, "--skip-cache"], { input: text });
    expect(parser("--replace").stderr.toString()).not.toContain("rror");
    try {
      const flags = ["--security-opt", "apparmor=gantry-test-own", "--security-opt", "no-new-privileges"];
      expect((await sh(label, ...flags)).stdout).toBe("gantry-test-own (enforce)\n");
    } finally {
      parser("--remove");
    }
  });

  test("a profile that does not exist is an error, and nothing runs", async () => {
    const done = await sh("echo ran", "--security-opt", "apparmor=no-such-profile");
    expect(done.stdout).toBe("");
    expect(done.code).toBeGreaterThan(124);
    expect(done.stderr).toContain('cannot use the AppArmor profile "no-such-profile"');
  });
});
