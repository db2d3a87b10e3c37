import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { engineSuite } from "../../support/suite.ts";

const FLAGS = [
  ..."--default-ipc-mode shareable --default-shm-size 1M --default-ulimit nofile=100:200 --init".split(" "),
  ..."--no-new-privileges --cgroup-parent /gantry/of-all --seccomp-profile unconfined".split(" "),
];

engineSuite("container defaults", { flags: FLAGS }, (engine) => {
  const run = (script: string, ...flags: string[]): Promise<string> =>
    engine().ok(["run", "--rm", "--network", "none", ...flags, "busybox", "sh", "-c", script]);

  test("count for containers that do not say otherwise, and for their execs", async () => {
    const about =
      "df /dev/shm | tail -1 | tr -s ' ' | cut -d ' ' -f 2; ulimit -n; ulimit -Hn; grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status";
    const expected = "1024\n100\n200\nNoNewPrivs:\t1\nSeccomp:\t0";
    expect(await run(about)).toBe(expected);
    expect(await run("echo $$")).not.toBe("1");
    const own = ["--shm-size", "2m", "--ulimit", "nofile=50", "--init=false"];
    const security = ["--security-opt", "no-new-privileges=false", "--security-opt", "seccomp=builtin"];
    expect(await run(`echo $$; ${about}`, ...own, ...security)).toBe(
      "1\n2048\n50\n50\nNoNewPrivs:\t0\nSeccomp:\t2",
    );
    await engine().ok(["run", "-d", "--name", "one", "--network", "none", "busybox", "sleep", "1000"]);
    expect(await engine().ok(["exec", "one", "sh", "-c", about])).toBe(expected);
    expect(await run("cat /dev/shm/f || echo empty", "--ipc", "container:one")).toBe("empty");
    const kept =
      "{{.HostConfig.IpcMode}} {{.HostConfig.ShmSize}} {{.HostConfig.Init}} {{.HostConfig.Ulimits}}";
    expect(await engine().ok(["inspect", "-f", kept, "one"])).toBe("shareable 1048576 <nil> []");
  });

  test("put containers below their cgroup, and info tells of the rest", async () => {
    const id = await engine().ok(["run", "-d", "--network", "none", "busybox", "sleep", "1000"]);
    const pid = await engine().ok(["inspect", "-f", "{{.State.Pid}}", id]);
    expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).toContain(`/gantry/of-all/${id}`);
    const info = JSON.parse(await engine().ok(["info", "--format", "json"]));
    expect(info.SecurityOptions).toContain("name=no-new-privileges");
    expect(info.SecurityOptions).toContain("name=seccomp,profile=unconfined");
    expect(info.Warnings).toContain("WARNING: daemon is not using the default seccomp profile");
  });
});
