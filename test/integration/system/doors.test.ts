/** The ways into the daemon that are no plain unix socket, with the stock docker client, and what its end does to containers. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { closeSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { makeAuthority } from "../../../src/core/distribution/testing/certificates.ts";
import { listeningTcp } from "../../support/bound-sockets.ts";
import { type Engine, GANTRY } from "../../support/engine.ts";
import { type Finished, run, type RunOptions } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { until } from "../../support/until.ts";

const directory = mkdtempSync(join(tmpdir(), "gt-doors-"));
const authority = makeAuthority();
const stranger = makeAuthority();
afterAll(() => {
  rmSync(directory, { recursive: true });
  authority[Symbol.dispose]();
  stranger[Symbol.dispose]();
});

function keep(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

function keepPair(name: string, { cert, key }: { readonly cert: string; readonly key: string }): string[] {
  return ["--tlscert", keep(`${name}.pem`, cert), "--tlskey", keep(`${name}-key.pem`, key)];
}

const ca = ["--tlscacert", keep("ca.pem", authority.cert)];
const server = ["--tlsverify", ...ca, ...keepPair("server", authority.issue("IP:127.0.0.1"))];
const client = ["--tlsverify", ...ca, ...keepPair("client", authority.issue("DNS:client"))];
const DOOR = "tcp://127.0.0.1:2376";

engineSuite("a TLS door", { needs: ["docker-cli"], flags: ["-H", DOOR, ...server] }, (engine) => {
  const inHost = async (words: readonly string[], options: RunOptions = {}): Promise<Finished> =>
    run(await engine().inHost(words), {
      ...options,
      env: { DOCKER_CONFIG: join(engine().dir, "docker-config") },
    });
  const docker = (words: readonly string[], options?: RunOptions) =>
    inHost(["docker", "-H", DOOR, ...client, ...words], options);

  // The first connection with TLS makes the interpreter open its standard output for good.
  beforeAll(async () => {
    expect((await docker(["version"])).code).toBe(0);
  });

  test("the stock client runs containers: input ends before output, and the status comes back", async () => {
    const script = "n=$(wc -c); echo $n bytes; exit 7";
    const input = "x".repeat(1_000_000);
    const words = ["run", "--rm", "-i", "--network", "none", "busybox", "sh", "-c", script];
    const { code, stdout } = await docker(words, { input });
    expect([code, stdout]).toEqual([7, "1000000 bytes\n"]);
  });

  test("our client does the same, by flags and by a context that the stock one has made", async () => {
    const words = ["run", "--rm", "-i", "--network", "none", "busybox", "cat"];
    const options = { input: "through\n" };
    expect((await inHost([GANTRY, "-H", DOOR, ...client, ...words], options)).stdout).toBe("through\n");
    const at = (name: string): string => join(directory, name);
    const endpoint = `host=${DOOR},ca=${at("ca.pem")},cert=${at("client.pem")},key=${at("client-key.pem")}`;
    expect((await inHost(["docker", "context", "create", "far", "--docker", endpoint])).code).toBe(0);
    expect((await inHost([GANTRY, "--context", "far", ...words], options)).stdout).toBe("through\n");
    expect((await inHost([GANTRY, "context", "rm", "far"])).stdout).toBe("far\n");
    expect((await inHost(["docker", "context", "ls", "-q"])).stdout).toBe("default\n");
  });

  test("who has no certificate, or another's, is let in nowhere; nor is plain HTTP", async () => {
    const foreign = keepPair("foreign", stranger.issue("DNS:client"));
    for (const flags of [["--tlsverify", ...ca], ["--tlsverify", ...ca, ...foreign], []]) {
      const { code, stdout } = await inHost(["docker", "-H", DOOR, ...flags, "ps"]);
      expect([code, stdout]).toEqual([1, ""]);
    }
    const { code } = await inHost([
      GANTRY,
      "-H",
      DOOR,
      "--tlsverify",
      "--tlscacert",
      keep("x", stranger.cert),
      "ps",
    ]);
    expect(code).toBe(1);
  });

  test("a client that is killed leaves nothing behind", async () => {
    await engine().ok(["run", "-d", "--name", "quiet", "--network", "none", "busybox", "sleep", "100"]);
    const following = await engine().inHost(["docker", "-H", DOOR, ...client, "logs", "-f", "quiet"]);
    const child = spawn(following[0] ?? "", following.slice(1), { stdio: "ignore" });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
    // The leak check after the test finds what is not given back.
    await engine().ok(["rm", "-f", "quiet"]);
  });
});

engineSuite("containers that do not outlive their daemon", { flags: ["--live-restore=false"] }, (engine) => {
  const ok = (...words: string[]) => engine().ok(words);
  const start = (name: string, policy: string, ...command: string[]) =>
    ok("run", "-d", "--name", name, "--restart", policy, "--network", "none", "busybox", ...command);
  const state = (name: string) => ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name);

  test("they are stopped with it, orderly, and come back by their policy", async () => {
    expect(await ok("info", "-f", "{{.LiveRestoreEnabled}}")).toBe("false");
    await start("polite", "no", "sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done");
    await start("faithful", "unless-stopped", "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done");
    const pid = await ok("inspect", "-f", "{{.State.Pid}}", "faithful");
    const began = performance.now();
    await engine().shutdown();
    expect(performance.now() - began).toBeLessThan(8_000);
    expect(() => process.kill(Number(pid), 0)).toThrow();
    await engine().launch();
    expect(await state("polite")).toBe("exited 3");
    await until("the faithful one", async () => (await state("faithful")) === "running 0");
  });

  test("one that outlived a crash is stopped by the next daemon", async () => {
    await start("left", "no", "sh", "-c", "trap 'exit 4' TERM; while :; do sleep 0.05; done");
    await engine().kill9();
    await engine().launch();
    expect(await state("left")).toBe("exited 4");
  });

  test("who is attached reads the last words", async () => {
    const script = "trap 'echo bye; exit 5' TERM; echo here; while :; do sleep 0.05; done";
    const words = ["run", "--name", "speaker", "--network", "none", "busybox", "sh", "-c", script];
    const attached = engine().gantry(words);
    await until(
      "the first words",
      async () => (await engine().gantry(["logs", "speaker"])).stdout === "here\n",
    );
    await engine().shutdown();
    expect((await attached).stdout).toBe("here\nbye\n");
    await engine().launch();
  });
});

const file = keep("daemon.json", '{"labels": ["a=1"], "max-concurrent-downloads": 2}');

engineSuite("options of the daemon", { flags: ["--config-file", file] }, (engine) => {
  const shown = () => engine().ok(["info", "-f", "{{.Labels}} {{.LiveRestoreEnabled}} {{.DefaultRuntime}}"]);

  test("count anew after SIGHUP, and the event tells all of them", async () => {
    expect(await shown()).toBe("[a=1] true gantry-runc");
    const runtimes = { mine: { path: "/bin/true" } };
    const options = { labels: ["b=2"], "live-restore": false, "shutdown-timeout": 3, runtimes };
    keep("daemon.json", JSON.stringify({ ...options, "default-runtime": "mine" }));
    process.kill(engine().pid, "SIGHUP");
    await until("the new options", async () => (await shown()) === "[b=2] false mine");
    const words = ["events", "--since", "1m", "--until", "0s", "--filter", "type=daemon", "--format", "json"];
    let events = "";
    await until("the event", async () => (events = await engine().ok(words)).includes("reload"));
    expect(events).toContain('"labels":"[\\"b=2\\"]"');
    expect(events).toContain('"live-restore":"false"');
    expect(events).toContain('"shutdown-timeout":"3"');
    expect(events).toContain('"max-concurrent-downloads":"3"');
    keep("daemon.json", "{}");
    process.kill(engine().pid, "SIGHUP");
    await until("the defaults", async () => (await shown()) === "[] true gantry-runc");
  });

  test("a mistake is told by --validate, and changes nothing in a daemon that runs", async () => {
    keep("daemon.json", '{"labels": ["c=3"], "hosts": [], "hosts": ["fd://"], "nope": 1}');
    const { code, stderr } = await run([GANTRY, "daemon", "--validate", "--config-file", file]);
    expect([code, stderr]).toEqual([
      1,
      `gantryd: unable to configure the daemon with file ${file}: the following directives are specified more than once: hosts\n`,
    ]);
    process.kill(engine().pid, "SIGHUP");
    await until("the complaint", () =>
      readFileSync(engine().logFile, "utf8").includes("the options stay as they are"),
    );
    expect(await shown()).toBe("[] true gantry-runc");
    keep("daemon.json", "{}");
    expect((await run([GANTRY, "daemon", "--validate", "--config-file", file])).stdout).toBe(
      "configuration OK\n",
    );
  });
});

engineSuite("sockets of systemd's", {}, (engine) => {
  test("a TCP socket that is passed is served with TLS, and never without", async () => {
    await engine().shutdown();
    const { fd, port } = listeningTcp();
    try {
      const plain = await activated(engine(), fd, []);
      expect(await plain.end()).toContain("refused to listen on descriptor 3, a TCP socket");
      const daemon = await activated(engine(), fd, server);
      const words = [
        "docker",
        "-H",
        `tcp://127.0.0.1:${port}`,
        ...client,
        "version",
        "-f",
        "{{.Server.Version}}",
      ];
      await until("the daemon", async () => (await run(words)).code === 0);
      daemon.kill();
      expect(await daemon.end()).toContain('msg="ending"');
    } finally {
      closeSync(fd);
    }
    await engine().launch();
  });
});

interface Activated {
  kill(): void;
  /** What it has said, once it is gone. */
  end(): Promise<string>;
}

async function activated(engine: Engine, fd: number, flags: readonly string[]): Promise<Activated> {
  const words = [GANTRY, "daemon", "--data-root", join(engine.dir, "data"), "--exec-root", engine.runDir];
  const script = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"';
  const command = await engine.inHost(["sh", "-c", script, "sh", ...words, "-H", "fd://", ...flags]);
  const child = spawn(command[0] ?? "", command.slice(1), { stdio: ["ignore", "ignore", "pipe", fd] });
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const closed = once(child, "close");
  return {
    kill: () => child.kill("SIGTERM"),
    end: async () => {
      await closed;
      return said;
    },
  };
}
