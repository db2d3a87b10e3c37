/** The basic life of a container under the shim, its process made by runc, crun and runsc where they work. */
import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { engineSuite } from "../../support/suite.ts";
import { until } from "../../support/until.ts";

const directory = mkdtempSync(join(tmpdir(), "gt-runtimes-"));
afterAll(() => rmSync(directory, { recursive: true }));

function script(name: string, line: string): string {
  const path = join(directory, name);
  writeFileSync(path, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
  return path;
}

/** crun takes a host with both versions of cgroups for one that it cannot use. It is shown the first alone. */
function crunWithoutUnified(): string {
  const hidden =
    'if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi; exec crun "$@"';
  return script("crun", `exec unshare -m sh -c '${hidden}' crun "$@"`);
}

/** Debian 12's runsc takes every network namespace of kernels from 6.8 on for the host's, and refuses to work there. */
function runscWithoutNetwork(path: string): string {
  return script("runsc", `exec ${path} --network=none "$@"`);
}

/** Its kernel is another one, and its helpers take seconds to end: compared is what a user sees first. */
const RUNSC_LIFE: readonly string[] = [
  "output, exit code, and no trace of --rm",
  "users by name, from the image, and one that it does not know",
  "--init is refused by name",
];

function find(name: string): string | undefined {
  const { status, stdout } = spawnSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" });
  if (status !== 0) console.log(`skipped: ${name}: this machine lacks it`);
  return status === 0 ? stdout.trim() : undefined;
}

const programs = new Map<string, string>();
for (const name of ["runc", "crun", "runsc"]) {
  const path = find(name);
  if (path === undefined) continue;
  programs.set(
    name,
    name === "crun" ? crunWithoutUnified() : name === "runsc" ? runscWithoutNetwork(path) : path,
  );
}

const flags = [
  ...[...programs].flatMap(([name, path]) => ["--add-runtime", `${name}=${path}`]),
  "--add-runtime",
  "absent=/nowhere/runtime",
];

engineSuite("other runtimes", { flags }, (engine) => {
  const ok = (...args: string[]) => engine().ok(args);
  const gantry = (...args: string[]) => engine().gantry(args);

  test("info lists them, and an unknown one is refused in Docker's words", async () => {
    const info = await engine().json("GET", "/v1.51/info");
    expect(info).toMatchObject({
      DefaultRuntime: "gantry-runc",
      Runtimes: { absent: { path: "/nowhere/runtime" } },
    });
    const { status, body } = await engine().api("POST", "/v1.51/containers/create", {
      Image: "busybox",
      HostConfig: { Runtime: "unheard-of" },
    });
    expect(status).toBe(400);
    expect(body).toContain("unknown or invalid runtime name: unheard-of");
  });

  test("one whose program is not there is named", async () => {
    const { code, stderr } = await gantry(
      "run",
      "--rm",
      "--network",
      "none",
      "--runtime",
      "absent",
      "busybox",
      "true",
    );
    expect(code).toBe(125);
    expect(stderr).toContain('cannot find the runtime "/nowhere/runtime"');
  });

  for (const runtime of programs.keys()) {
    const RUN = ["run", "--network", "none", "--runtime", runtime] as const;
    let unfit: string | undefined;

    /** Asked once, by the first test: what the runtime itself says is the reason to skip the others. */
    const life = (title: string, body: () => Promise<void>): void => {
      if (runtime === "runsc" && !RUNSC_LIFE.includes(title)) return;
      test(`${runtime}: ${title}`, async () => {
        if (unfit === undefined) {
          const { code, stderr } = await gantry(...RUN, "--rm", "busybox", "true");
          unfit = code === 0 ? "" : stderr.trim();
        }
        if (unfit === "") await body();
        else console.log(`skipped: ${runtime}: ${title}: ${unfit}`);
      }, 60_000);
    };

    const pidOf = async (name: string): Promise<number> =>
      Number(await ok("inspect", "-f", "{{.State.Pid}}", name));

    life("output, exit code, and no trace of --rm", async () => {
      const done = await gantry(...RUN, "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7");
      expect(done).toMatchObject({ code: 7, stdout: "out\n", stderr: "err\n" });
      // Whoever owns it can close it to everybody else: runsc gives away what it gets for standard input.
      expect(statSync("/dev/null").uid).toBe(0);
    });

    life("standard input, and what was asked of the host", async () => {
      const echoed = await engine().gantry([...RUN, "--rm", "-i", "busybox", "cat"], { input: "through\n" });
      expect(echoed).toMatchObject({ code: 0, stdout: "through\n" });
      const more = ["--ulimit", "nofile=100:200", "-e", "A=b", "-h", "box", "-w", "/made"];
      expect(
        (
          await gantry(
            ...RUN,
            "--rm",
            ...more,
            "busybox",
            "sh",
            "-c",
            "ulimit -n; echo $A $HOME; hostname; pwd",
          )
        ).stdout,
      ).toBe("100\nb /root\nbox\n/made\n");
    });

    life("a terminal", async () => {
      const { code, stdout } = await gantry(...RUN, "--rm", "-t", "busybox", "sh", "-c", "tty; exit 3");
      expect({ code, stdout }).toEqual({ code: 3, stdout: "/dev/pts/0\r\n" });
    });

    life("users by name, from the image, and one that it does not know", async () => {
      const done = await gantry(...RUN, "--rm", "-u", "nobody", "busybox", "sh", "-c", "id -u; echo $HOME");
      const builtIn = await gantry(
        "run",
        "--network",
        "none",
        "--rm",
        "-u",
        "nobody",
        "busybox",
        "sh",
        "-c",
        "id -u; echo $HOME",
      );
      expect(done).toEqual(builtIn);
      const unknown = await gantry(...RUN, "--rm", "-u", "no-such-user", "busybox", "true");
      expect(unknown.code).toBe(125);
      expect(unknown.stderr).toContain(
        "unable to find user no-such-user: no matching entries in passwd file",
      );
    });

    life("a program that is not there is Docker's error, and not the container's output", async () => {
      const { stderr } = await gantry(...RUN, "--name", "failing", "busybox", "no-such-program");
      expect(stderr).toContain("OCI runtime create failed: ");
      expect(stderr.match(/not found in \$PATH/g)).toHaveLength(1);
      expect(await ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "failing")).toBe(
        "created 127",
      );
      expect(await gantry("logs", "failing")).toMatchObject({ stdout: "", stderr: "" });
    });

    life("--init is refused by name", async () => {
      const { code, stderr } = await gantry(...RUN, "--rm", "--init", "busybox", "true");
      expect(code).toBe(125);
      expect(stderr).toContain("--init is not supported with the runtime");
    });

    life("exec: output, exit code, terminal, user, failure; none leaves files", async () => {
      const id = await ok(...RUN, "-d", "busybox", "sleep", "1000");
      for (let i = 0; i < 10; i++)
        expect(await gantry("exec", id, "sh", "-c", "echo in; exit 3")).toMatchObject({
          code: 3,
          stdout: "in\n",
        });
      expect(await gantry("exec", "-t", id, "sh", "-c", "tty; exit 4")).toMatchObject({ code: 4 });
      expect(await gantry("exec", "-u", "1000:7", id, "id", "-u")).toMatchObject({
        code: 0,
        stdout: "1000\n",
      });
      expect(await engine().gantry(["exec", "-i", id, "cat"], { input: "through\n" })).toMatchObject({
        stdout: "through\n",
      });
      const failed = await gantry("exec", id, "no-such-program");
      expect(failed.code).toBe(127);
      expect(failed.stdout).toContain("OCI runtime exec failed: ");
      const files = (): string[] =>
        readdirSync(join(engine().runDir, "tasks", id)).filter((name) => /^(exec|identity)-/.test(name));
      await until("the files of execs to be gone", () => files().length === 0);
    });

    life("logs, signals, stop, another start, pause", async () => {
      const script = "trap 'echo got it; exit 9' TERM; echo begun; while :; do sleep 0.1; done";
      const id = await ok(...RUN, "-d", "busybox", "sh", "-c", script);
      await until("its output", async () => (await gantry("logs", id)).stdout === "begun\n");
      await ok("kill", "-s", "TERM", id);
      expect(await ok("wait", id)).toBe("9");
      expect((await gantry("logs", id)).stdout).toBe("begun\ngot it\n");
      await ok("start", id);
      await ok("pause", id);
      expect(await ok("inspect", "-f", "{{.State.Status}}", id)).toBe("paused");
      expect((await gantry("exec", id, "true")).code).not.toBe(0);
      await ok("unpause", id);
      await ok("stop", "-t", "5", id);
      expect(await ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", id)).toBe("exited 9");
    });

    life("the host's process namespace: whoever is left ends with the container", async () => {
      const started = await ok(
        ...RUN,
        "--rm",
        "--pid",
        "host",
        "busybox",
        "sh",
        "-c",
        "sleep 1000 & echo $!",
      );
      await until("the sleeper to be gone", () => !existsSync(`/proc/${started}`));
    });

    life("an end by the OOM killer is told as such", async () => {
      const script = "x=a; while :; do x=$x$x; done";
      await gantry(
        ...RUN,
        "--name",
        "greedy",
        "-m",
        "16m",
        "--memory-swap",
        "16m",
        "busybox",
        "sh",
        "-c",
        script,
      );
      expect(await ok("inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", "greedy")).toBe(
        "true 137",
      );
    });

    life("kill -9 of the daemon: the container goes on, paused or not, and its end is told", async () => {
      const id = await ok(...RUN, "-d", "busybox", "sh", "-c", "sleep 1000; exit 1");
      const pid = await pidOf(id);
      await ok("pause", id);
      await engine().kill9();
      await engine().launch();
      expect(await ok("inspect", "-f", "{{.State.Status}} {{.State.Pid}}", id)).toBe(`paused ${pid}`);
      await ok("unpause", id);
      expect(await gantry("exec", id, "echo", "alive")).toMatchObject({ code: 0, stdout: "alive\n" });
      const short = await ok(...RUN, "-d", "busybox", "sh", "-c", "sleep 0.3; exit 42");
      await engine().kill9();
      await until("the end of the short one", async () => !(await processOf(short)));
      await engine().launch();
      const end = (): Promise<string> => ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", short);
      await until("its end to be told", async () => (await end()) !== "running 0");
      expect(await end()).toBe("exited 42");
      await ok("rm", "-f", id);
    });

    const processOf = async (id: string): Promise<boolean> =>
      readdirSync("/proc").some((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(id);
        } catch {
          return false;
        }
      });

    life("kill -9 of the shim: the container goes with it, and can be started again", async () => {
      const id = await ok(...RUN, "-d", "busybox", "sleep", "1000");
      const pid = await pidOf(id);
      const parent = Number(/PPid:\t(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
      process.kill(parent, "SIGKILL");
      const status = (): Promise<string> => ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", id);
      await until("the state to follow", async () => (await status()) === "exited 137");
      await until("the process to be gone", () => !existsSync(`/proc/${pid}`));
      await ok("start", id);
      expect(await gantry("exec", id, "echo", "again")).toMatchObject({ stdout: "again\n" });
    });

    life("kill -9 of the daemon in the middle of starts: nothing is left of them", async () => {
      for (const delay of [5, 20, 40, 60, 80]) {
        const starting = gantry(...RUN, "-d", "busybox", "sleep", "1000");
        await new Promise((resolve) => setTimeout(resolve, delay));
        await engine().kill9();
        await starting;
        await engine().launch();
      }
    });
  }
});
