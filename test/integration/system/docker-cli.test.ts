import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { busyboxArchive, busyboxRoot } from "../../support/images.ts";
import { Terminal } from "../../support/pty.ts";
import { engineSuite } from "../../support/suite.ts";
import { until } from "../../support/until.ts";

engineSuite("the stock docker client", { needs: ["docker-cli"] }, (engine) => {
  const docker = (...args: string[]) => engine().docker(args);
  const ok = async (...args: string[]): Promise<string> => {
    const done = await docker(...args);
    if (done.code !== 0) throw new Error(`docker ${args.join(" ")}: ${done.code}\n${done.stderr}`);
    return done.stdout.trim();
  };

  test("version and info", async () => {
    expect(await ok("version", "--format", "{{.Server.APIVersion}}")).toBe("1.51");
    expect(await ok("info", "--format", "{{.Driver}} {{.LiveRestoreEnabled}} {{.DefaultRuntime}}")).toBe(
      "overlay2 true gantry-runc",
    );
  });

  test("load, images, inspect, tag, history, rmi", async () => {
    expect(await ok("load", "-i", await busyboxArchive())).toBe("Loaded image: busybox:latest");
    const id = await ok("images", "-q", "--no-trunc", "busybox:latest");
    expect(await ok("inspect", "-f", "{{.Id}}", "busybox")).toBe(id);
    await ok("tag", "busybox", "other:v1");
    expect(await ok("images", "--format", "{{.Repository}}:{{.Tag}}", "other")).toBe("other:v1");
    expect((await ok("history", "-q", "other:v1")).split("\n").length).toBe(1);
    expect(await ok("rmi", "other:v1")).toBe("Untagged: other:v1");
  });

  test("import, and rmi of the last name deletes", async () => {
    const id = await ok("import", "-c", 'CMD ["echo","imported"]', await busyboxRoot(), "imp:1");
    expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await ok("run", "--rm", "--network", "none", "imp:1")).toBe("imported");
    const removed = await ok("rmi", "imp:1");
    expect(removed).toContain("Untagged: imp:1");
    expect(removed).toContain(`Deleted: ${id}`);
  });

  test("run: output, exit codes 0, n, 126, 127, 125", async () => {
    expect(
      await docker(
        "run",
        "--rm",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "echo out; echo err >&2; exit 3",
      ),
    ).toEqual({ code: 3, stdout: "out\n", stderr: "err\n" });
    expect((await docker("run", "--rm", "--network", "none", "busybox", "/etc/passwd")).code).toBe(126);
    expect((await docker("run", "--rm", "--network", "none", "busybox", "nope")).code).toBe(127);
    expect((await docker("run", "--rm", "--network", "none", "no-such-image")).code).toBe(125);
  });

  test("run -i with standard input", async () => {
    const done = await engine().docker(["run", "--rm", "-i", "--network", "none", "busybox", "wc", "-c"], {
      input: "x".repeat(300_000),
    });
    expect(done.stdout).toBe("300000\n");
  });

  test("run with everything the main job has", async () => {
    const dir = join(engine().dir, "docker-bind");
    mkdirSync(dir, { recursive: true });
    const flags = `run --rm --network none -e A=1 -w /tmp -u user -h box --entrypoint sh -v ${dir}:/d --read-only -m 64m --cpus 0.5 --pids-limit 50 --cap-drop ALL --cap-add CHOWN --init`;
    expect(await ok(...flags.split(" "), "busybox", "-c", "echo $A $PWD $(id -un) $(hostname)")).toBe(
      "1 /tmp user box",
    );
  });

  test("create, start -a, ps, logs, stop, restart, kill, wait, rm", async () => {
    const id = await ok("create", "--name", "c1", "--network", "none", "busybox", "echo", "hi");
    expect(await ok("start", "-a", "c1")).toBe("hi");
    expect(await ok("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}}")).toBe(`${id} c1`);
    expect(await ok("logs", "c1")).toBe("hi");
    const sleeper = await ok("run", "-d", "--network", "none", "busybox", "sleep", "1000");
    await ok("restart", "-t", "0", sleeper);
    await ok("kill", "-s", "KILL", sleeper);
    expect(await ok("wait", sleeper)).toBe("137");
    await ok("start", sleeper);
    await ok("stop", "-t", "0", sleeper);
    expect((await docker("rm", "c1", sleeper)).code).toBe(0);
  });

  test("exec, exec -d, top, pause, unpause, rename", async () => {
    const id = await ok("run", "-d", "--network", "none", "busybox", "sleep", "1000");
    expect(
      await docker(
        "exec",
        "-u",
        "user",
        "-w",
        "/tmp",
        "-e",
        "X=y",
        id,
        "sh",
        "-c",
        "echo $X $PWD; id -un; exit 5",
      ),
    ).toEqual({ code: 5, stdout: "y /tmp\nuser\n", stderr: "" });
    expect((await docker("exec", id, "nope")).code).toBe(127);
    expect(await ok("top", id)).toContain("sleep 1000");
    await ok("pause", id);
    await ok("unpause", id);
    await ok("rename", id, "renamed");
    expect(await ok("inspect", "-f", "{{.Name}}", id)).toBe("/renamed");
  });

  test("run -it and detach keys", async () => {
    const shell = new Terminal([
      "docker",
      "--host",
      engine().host,
      "run",
      "-it",
      "--network",
      "none",
      "--name",
      "tty",
      "busybox",
      "sh",
    ]);
    await shell.shows("/ # ");
    shell.type("stty size\n");
    await shell.shows("24 80");
    shell.type("\x10\x11");
    await shell.ends();
    expect(await ok("inspect", "-f", "{{.State.Running}}", "tty")).toBe("true");
    const again = new Terminal(["docker", "--host", engine().host, "attach", "tty"]);
    again.type("exit 2\n");
    expect(await again.ends()).toBe(2);
  });

  test("events", async () => {
    const since = String(Date.now() / 1000);
    const id = await ok("run", "-d", "--rm", "--network", "none", "busybox", "true");
    await until("the removal", async () => (await docker("inspect", id)).code === 1);
    const story = (
      await ok(
        "events",
        "--since",
        since,
        "--until",
        String(Date.now() / 1000),
        "--format",
        "{{.Action}}",
        "--filter",
        "type=container",
      )
    ).split("\n");
    expect(story).toEqual(expect.arrayContaining(["create", "start", "die", "destroy"]));
  });

  test("hello-world runs without a registry", async () => {
    expect(await ok("run", "--rm", "--network", "none", "hello-world")).toContain("Gantry");
    await ok("rmi", "hello-world");
  });

  test("what is not there is refused by name", async () => {
    const done = await docker("run", "--rm", "--network", "nowhere", "busybox", "true");
    expect(done.code).toBe(125);
    expect(done.stderr).toContain("network nowhere not found");
  });
});
