import { spawn } from "node:child_process";
import { expect, test } from "bun:test";
import { GANTRY } from "../../support/engine.ts";
import { run } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { until } from "../../support/until.ts";

engineSuite("streams", {}, (engine) => {
  const gantry = (...args: string[]) => engine().gantry(args);
  const ok = (...args: string[]) => engine().ok(args);

  test("logs keeps both streams apart and in order, with tail and timestamps", async () => {
    const id = await ok(
      "run",
      "-d",
      "--network",
      "none",
      "busybox",
      "sh",
      "-c",
      "for i in 1 2 3; do echo out $i; echo err $i >&2; done",
    );
    await ok("wait", id);
    expect(await gantry("logs", id)).toEqual({
      code: 0,
      stdout: "out 1\nout 2\nout 3\n",
      stderr: "err 1\nerr 2\nerr 3\n",
    });
    // Two pipes have no order between them: only the last of each stream is certain.
    const tail = await gantry("logs", "-t", "--tail", "2", id);
    expect(tail.stdout + tail.stderr).toMatch(
      /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (out|err) [23]\n){2}$/,
    );
  });

  test("logs -f follows until the container ends", async () => {
    const id = await ok(
      "run",
      "-d",
      "--network",
      "none",
      "busybox",
      "sh",
      "-c",
      "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done",
    );
    expect((await gantry("logs", "-f", id)).stdout).toBe("1\n2\n3\n4\n5\n");
  });

  test("logs survives rotation", async () => {
    const id = await ok(
      ..."run -d --network none --log-opt max-size=20k --log-opt max-file=3 busybox seq 1000".split(" "),
    );
    await ok("wait", id);
    const lines = (await gantry("logs", id)).stdout.trim().split("\n").map(Number);
    expect(lines.at(-1)).toBe(1000);
    expect(lines.length).toBeGreaterThan(300);
    expect(lines).toEqual(Array.from({ length: lines.length }, (_, i) => 1001 - lines.length + i));
  });

  test("attach shows what comes from now on and passes the exit code", async () => {
    const id = await ok(
      "run",
      "-d",
      "-i",
      "--network",
      "none",
      "busybox",
      "sh",
      "-c",
      "read line; echo got $line; exit 4",
    );
    // Docker's rule: without StdinOnce the end of the client's input ends the attach, so it is held open.
    const client = `(echo hello; exec sleep 5) | exec "${GANTRY}" --host ${engine().host} attach ${id}`;
    expect(await run(["sh", "-c", client])).toEqual({ code: 4, stdout: "got hello\n", stderr: "" });
  });

  test("a client that goes away does not disturb the container", async () => {
    const client = spawn(
      GANTRY,
      [
        "--host",
        engine().host,
        "run",
        "--name",
        "long",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "i=0; while :; do echo $i; i=$((i+1)); sleep 0.01; done",
      ],
      { stdio: ["ignore", "pipe", "ignore"] },
    );
    await new Promise((resolve) => client.stdout.once("data", resolve));
    client.kill("SIGKILL");
    await until(
      "thirty more lines",
      async () => (await gantry("logs", "long")).stdout.split("\n").length > 30,
    );
    expect(await ok("inspect", "-f", "{{.State.Running}}", "long")).toBe("true");
  });

  test("signals to the client are passed to the container", async () => {
    const client = spawn(
      GANTRY,
      [
        "--host",
        engine().host,
        "run",
        "--rm",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "trap 'echo term; exit 7' TERM; echo up; while :; do sleep 0.05; done",
      ],
      { stdio: ["ignore", "pipe", "ignore"] },
    );
    let seen = "";
    client.stdout.on("data", (chunk: Buffer) => {
      seen += chunk.toString();
    });
    await until("the trap", () => seen.includes("up"));
    client.kill("SIGTERM");
    const code = await new Promise((resolve) => client.once("close", resolve));
    expect(code).toBe(7);
    expect(seen).toBe("up\nterm\n");
  });

  test("exec passes streams, exit code, environment, user and directory", async () => {
    const id = await ok("run", "-d", "--network", "none", "-e", "A=1", "busybox", "sleep", "1000");
    const done = await engine().gantry(
      [
        "exec",
        "-i",
        "-e",
        "B=2",
        "-u",
        "user",
        "-w",
        "/tmp",
        id,
        "sh",
        "-c",
        'cat; echo "$A$B $(id -un) $PWD" >&2; exit 9',
      ],
      { input: "in\n" },
    );
    expect(done).toEqual({ code: 9, stdout: "in\n", stderr: "12 user /tmp\n" });
    expect((await gantry("exec", id, "nope")).code).toBe(127);
    expect((await gantry("exec", id, "/etc/passwd")).code).toBe(126);
    // As with Docker, a failed exec says so in its stream.
    const user = await gantry("exec", "-u", "nouser", id, "id");
    expect(user.stdout.trim()).toBe("unable to find user nouser: no matching entries in passwd file");
    const directory = await gantry("exec", "-w", "/missing", id, "id");
    expect(directory.stdout).toContain(
      'chdir to cwd ("/missing") set in config.json failed: no such file or directory',
    );
  });

  test("exec -d runs on without a client", async () => {
    const id = await ok("run", "-d", "--network", "none", "busybox", "sleep", "1000");
    await ok("exec", "-d", id, "sh", "-c", "echo done > /made");
    await until("the file", async () => (await gantry("exec", id, "cat", "/made")).stdout === "done\n");
  });

  test("a closed pipe ends the client quietly", async () => {
    const done = await engine().gantry(["version"]);
    expect(done.code).toBe(0);
    const piped = await run([
      "sh",
      "-c",
      `"${GANTRY}" --host ${engine().host} run --rm --network none busybox yes | head -n 1`,
    ]);
    expect(piped.stdout).toBe("y\n");
    expect(piped.stderr).not.toContain("Error:");
  });
});
