/** What only a kernel shows: counters that count, limits that hold, memory that runs out. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import type { Engine } from "../support/engine.ts";
import { engineSuite } from "../support/suite.ts";
import { SLOWNESS, until } from "../support/until.ts";

/** More than any limit here. */
const GREEDY = "x=$(yes 0123456789abcdef | head -c 100000000)";

engineSuite("stats", {}, (engine) => {
  const started = (name: string, ...words: string[]) =>
    engine().ok(["run", "-d", "--name", name, "--network", "none", ...words]);
  const stats = async (name: string, query: string) =>
    JSON.parse((await engine().api("GET", `/v1.51/containers/${name}/stats?${query}`)).body);

  test("a busy container takes about one processor, and half of one when it is limited", async () => {
    await started("busy", "--cpus", "0.5", "busybox", "sh", "-c", "while :; do :; done");
    const share = async (): Promise<number> =>
      Number.parseFloat(await engine().ok(["stats", "--no-stream", "--format", "{{.CPUPerc}}", "busy"]));
    const limited = await share();
    expect(limited).toBeGreaterThan(1);
    expect(limited).toBeLessThan(90);
    const { throttling_data } = (await stats("busy", "stream=0")).cpu_stats;
    expect(throttling_data.periods).toBeGreaterThan(0);
    await engine().ok(["rm", "-f", "busy"]);
  });

  test("memory, processes and limits are the cgroup's", async () => {
    await started("small", "-m", "64m", "busybox", "sh", "-c", "sleep 100 & sleep 100 & wait");
    await until(
      "all processes",
      async () => (await stats("small", "stream=0&one-shot=1")).pids_stats.current === 3,
    );
    const { memory_stats: memory } = await stats("small", "stream=0");
    expect(memory.limit).toBe(64 << 20);
    expect(memory.usage).toBeGreaterThan(0);
    expect(memory.usage).toBeLessThan(64 << 20);
    const row = await engine().ok([
      "stats",
      "--no-stream",
      "--format",
      "{{.MemUsage}} {{.PIDs}} {{.NetIO}}",
      "small",
    ]);
    expect(row).toMatch(/^\d+(\.\d+)?[KM]iB \/ 64MiB 3 0B \/ 0B$/);
  });

  test("networks count as inside: what one sends the other receives", async () => {
    await engine().ok(["run", "-d", "--name", "server", "busybox", "sleep", "100"]);
    const address = await engine().ok([
      "inspect",
      "-f",
      "{{.NetworkSettings.Networks.bridge.IPAddress}}",
      "server",
    ]);
    await engine().ok(["run", "-d", "--name", "client", "busybox", "sleep", "100"]);
    await engine().ok(["exec", "client", "ping", "-q", "-c", "2", "-i", "0.2", "-s", "60000", address]);
    const { eth0: client } = (await stats("client", "stream=0")).networks;
    const { eth0: server } = (await stats("server", "stream=0")).networks;
    expect(client.tx_bytes).toBeGreaterThan(100_000);
    expect(server.rx_bytes).toBeGreaterThan(100_000);
    expect(client.tx_packets).toBeGreaterThan(1);
    await engine().ok([
      "run",
      "-d",
      "--name",
      "guest",
      "--network",
      "container:client",
      "busybox",
      "sleep",
      "100",
    ]);
    expect((await stats("guest", "stream=0")).networks.eth0.tx_bytes).toBeGreaterThan(100_000);
    await engine().ok(["run", "-d", "--name", "bare", "--network", "host", "busybox", "sleep", "100"]);
    expect((await stats("bare", "stream=0")).networks).toBeUndefined();
  });

  test("twenty containers are shown within a moment", async () => {
    const names = Array.from({ length: 20 }, (_, i) => `many${i}`);
    for (const name of names) await started(name, "busybox", "sleep", "100");
    const startedMs = performance.now();
    const rows = await engine().ok(["stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}"]);
    expect(performance.now() - startedMs).toBeLessThan(1500 * SLOWNESS);
    expect(rows.split("\n").toSorted()).toEqual(names.map((name) => `${name} 1`).toSorted());
  });

  test("a stream is one document a second, and ends with the container", async () => {
    const id = await started("streamed", "busybox", "sleep", "100");
    const stream = new Stream(engine(), `/v1.51/containers/${id}/stats`);
    await stream.saw(2);
    const [first, second] = stream.documents();
    expect(second.preread).toBe(first.read);
    expect(Date.parse(second.read) - Date.parse(first.read)).toBeGreaterThan(900);
    await engine().ok(["rm", "-f", "streamed"]);
    await stream.ended;
  });
});

class Stream {
  readonly ended: Promise<void>;
  #text = "";

  constructor(engine: Engine, path: string) {
    const socket = connect(engine.socket);
    const end = Promise.withResolvers<void>();
    this.ended = end.promise;
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    socket.on("data", (bytes) => (this.#text += bytes.toString()));
    socket.on("close", () => end.resolve());
    socket.on("error", () => end.resolve());
  }

  documents() {
    return this.#text
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line));
  }

  async saw(count: number): Promise<void> {
    await until(`${count} documents`, () => this.#text.split("}\n").length > count);
  }
}

engineSuite("update of limits", { needs: ["cgroup1"] }, (engine) => {
  const cgroup = async (name: string, file: string): Promise<string> =>
    (await engine().ok(["exec", name, "cat", `/sys/fs/cgroup/${file}`])).trim();

  test("takes effect while the container runs, and in its next start", async () => {
    await engine().ok([
      "run",
      "-d",
      "--name",
      "web",
      "--network",
      "none",
      "-m",
      "64m",
      "busybox",
      "sleep",
      "100",
    ]);
    const flags = [
      "-m",
      "32m",
      "--memory-swap",
      "48m",
      "--cpus",
      "0.5",
      "--cpu-shares",
      "99",
      "--pids-limit",
      "9",
    ];
    await engine().ok(["update", ...flags, "--cpuset-cpus", "0", "web"]);
    for (const restart of [false, true]) {
      if (restart) await engine().ok(["restart", "-t", "0", "web"]);
      expect(await cgroup("web", "memory/memory.limit_in_bytes")).toBe(String(32 << 20));
      expect(await cgroup("web", "memory/memory.memsw.limit_in_bytes")).toBe(String(48 << 20));
      expect(await cgroup("web", "cpu/cpu.cfs_quota_us")).toBe("50000");
      expect(await cgroup("web", "cpu/cpu.shares")).toBe("99");
      expect(await cgroup("web", "pids/pids.max")).toBe("9");
      expect(await cgroup("web", "cpuset/cpuset.cpus")).toBe("0");
    }
    await engine().ok(["update", "--pids-limit", "-1", "web"]);
    expect(await cgroup("web", "pids/pids.max")).toBe("max");
  });

  test("is refused below what is used, and changes nothing then", async () => {
    const hoard = "x=$(yes 0123456789abcdef | head -c 30000000); echo full; sleep 100; :";
    const id = await engine().ok([
      "run",
      "-d",
      "--name",
      "hoard",
      "--network",
      "none",
      "-m",
      "128m",
      "--memory-swap",
      "128m",
      "busybox",
      "sh",
      "-c",
      hoard,
    ]);
    await until("it to be full", async () => (await engine().ok(["logs", "hoard"])) === "full");
    const refused = await engine().gantry([
      "update",
      "-m",
      "8m",
      "--memory-swap",
      "8m",
      "--pids-limit",
      "5",
      "hoard",
    ]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toStartWith(
      `Error response from daemon: Cannot update container ${id}: unable to set memory limit to 8388608`,
    );
    expect(await cgroup("hoard", "memory/memory.limit_in_bytes")).toBe(String(128 << 20));
    expect(await cgroup("hoard", "pids/pids.max")).toBe("max");
    expect(await engine().ok(["inspect", "-f", "{{.HostConfig.Memory}}", "hoard"])).toBe(String(128 << 20));
  });
});

engineSuite("update of limits on cgroup v2", { needs: ["cgroup2"] }, (engine) => {
  const cgroup = async (file: string): Promise<string> =>
    (await engine().ok(["exec", "web", "cat", `/sys/fs/cgroup/${file}`])).trim();

  test("takes effect while the container runs", async () => {
    await engine().ok([
      "run",
      "-d",
      "--name",
      "web",
      "--network",
      "none",
      "-m",
      "64m",
      "busybox",
      "sleep",
      "100",
    ]);
    await engine().ok([
      "update",
      "-m",
      "32m",
      "--memory-swap",
      "48m",
      "--cpus",
      "0.5",
      "--pids-limit",
      "9",
      "web",
    ]);
    expect(await cgroup("memory.max")).toBe(String(32 << 20));
    expect(await cgroup("cpu.max")).toBe("50000 100000");
    expect(await cgroup("pids.max")).toBe("9");
    await engine().ok(["update", "--pids-limit", "-1", "web"]);
    expect(await cgroup("pids.max")).toBe("max");
  });
});

engineSuite("memory that runs out", {}, (engine) => {
  async function eventsOf(work: () => Promise<void>): Promise<readonly string[]> {
    const since = String(Date.now() / 1000);
    await work();
    const end = String(Date.now() / 1000 + 0.001);
    const format = "{{.Actor.Attributes.name}} {{.Action}}";
    const lines = await engine().ok(["events", "--since", since, "--until", end, "--format", format]);
    return lines.split("\n");
  }

  test("kills the container, and is told before its end", async () => {
    const events = await eventsOf(async () => {
      const run = await engine().gantry([
        "run",
        "--name",
        "greedy",
        "--network",
        "none",
        "-m",
        "16m",
        "busybox",
        "sh",
        "-c",
        GREEDY,
      ]);
      expect(run.code).toBe(137);
    });
    expect(events).toContain("greedy oom");
    expect(events.lastIndexOf("greedy oom")).toBeLessThan(events.indexOf("greedy die"));
    expect(await engine().ok(["inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", "greedy"])).toBe(
      "true 137",
    );
  });

  test("in an exec is told while the container runs on, and forgotten by its next start", async () => {
    await engine().ok([
      "run",
      "-d",
      "--name",
      "host",
      "--network",
      "none",
      "-m",
      "16m",
      "busybox",
      "sleep",
      "100",
    ]);
    const state = () => engine().ok(["inspect", "-f", "{{.State.OOMKilled}} {{.State.Running}}", "host"]);
    const events = await eventsOf(async () => {
      // One process alone: what is left of a pipeline goes on asking for memory, and the kernel may end the container's own for it.
      const greedy = 'BEGIN { s = "0123456789abcdef"; while (1) s = s s }';
      const exec = await engine().gantry(["exec", "host", "awk", greedy]);
      expect(exec.code).toBe(137);
      let told = "";
      await until("it to be told, or the container's end", async () => {
        told = await state();
        return told !== "false true";
      });
      expect(told).toBe("true true");
    });
    expect(events).toContain("host oom");
    expect(events).not.toContain("host die");
    await engine().ok(["restart", "-t", "0", "host"]);
    expect(await state()).toBe("false true");
  });

  test("while no daemon looks is found by the next one at the end", async () => {
    await engine().ok([
      "run",
      "-d",
      "--name",
      "late",
      "--network",
      "none",
      "-m",
      "16m",
      "busybox",
      "sh",
      "-c",
      `while [ ! -e /tmp/go ]; do sleep 0.1; done; ${GREEDY}`,
    ]);
    await engine().ok(["exec", "-d", "late", "sh", "-c", "sleep 1; touch /tmp/go"]);
    const pid = await engine().ok(["inspect", "-f", "{{.State.Pid}}", "late"]);
    const events = await eventsOf(async () => {
      await engine().kill9();
      await until("the end of the process", () => !existsSync(`/proc/${pid}`));
      await engine().launch();
      await engine().ok(["wait", "late"]);
    });
    expect(events.filter((event) => event === "late oom")).toHaveLength(1);
    expect(await engine().ok(["inspect", "-f", "{{.State.OOMKilled}}", "late"])).toBe("true");
  });
});
