import { afterEach, beforeEach, expect, test } from "bun:test";
import { request } from "node:http";
import { ApiHost } from "../testing/api-host.ts";

let host: ApiHost;

beforeEach(async () => {
  host = await ApiHost.start();
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
});

async function started(name: string, NetworkMode = "bridge"): Promise<string> {
  const id = await host.create(name, { HostConfig: { NetworkMode } });
  expect((await host.call("POST", `/containers/${name}/start`)).status).toBe(204);
  return id;
}

const stats = (name: string, query: string, version = "v1.51") =>
  host.call("GET", `/${version}/containers/${name}/stats?${query}`);

const COUNTERS = {
  received: { bytes: 1n, packets: 2n, errors: 3n, dropped: 4n },
  sent: { bytes: 5n, packets: 6n, errors: 7n, dropped: 8n },
};

test("one document has something to compare with, unless it is to stand alone", async () => {
  const id = await started("web");
  const compared = await stats("web", "stream=0");
  expect(compared).toMatchObject({ status: 200, json: { id, name: "/web", pids_stats: { current: 2 } } });
  expect(compared.json).not.toMatchObject({ preread: "0001-01-01T00:00:00Z" });
  expect((await stats("web", "stream=0&one-shot=1")).json).toMatchObject({
    id,
    preread: "0001-01-01T00:00:00Z",
  });
  // Before 1.41 nobody knew the word.
  expect((await stats("web", "stream=0&one-shot=1", "v1.40")).json).not.toMatchObject({
    preread: "0001-01-01T00:00:00Z",
  });
});

test("what does not run has used nothing, and what does not exist is not found", async () => {
  const id = await host.create("idle");
  expect((await stats("idle", "stream=0")).json).toMatchObject({ id, read: "0001-01-01T00:00:00Z" });
  expect((await stats("nosuch", "stream=0")).status).toBe(404);
  expect(await stats("idle", "one-shot=1")).toMatchObject({
    status: 400,
    json: { message: "cannot have stream=true and one-shot=true" },
  });
});

test("one that ends while it is looked at has used nothing", async () => {
  const id = await started("web");
  const task = host.tasks.running.get(id);
  if (task !== undefined) task.cpuNs = undefined;
  expect((await stats("web", "stream=0")).json).toMatchObject({ read: "0001-01-01T00:00:00Z" });
});

test("networks are those of the container, or of the one whose network it shares", async () => {
  await started("web");
  await started("guest", "container:web");
  await started("bare", "host");
  await started("alone", "none");
  host.links = new Map(["lo", "eth0", "dummy0"].map((name) => [name, COUNTERS]));
  const networks = async (name: string) => (await stats(name, "stream=0&one-shot=1")).json;
  const eth0 = {
    rx_bytes: 1,
    rx_packets: 2,
    rx_errors: 3,
    rx_dropped: 4,
    tx_bytes: 5,
    tx_packets: 6,
    tx_errors: 7,
    tx_dropped: 8,
  };
  expect(await networks("web")).toHaveProperty("networks", { eth0 });
  expect(await networks("guest")).toHaveProperty("networks", { eth0 });
  expect(await networks("bare")).not.toHaveProperty("networks");
  expect(await networks("alone")).not.toHaveProperty("networks");
});

interface Watch {
  readonly lines: string[];
  readonly more: (count: number) => Promise<void>;
  readonly ended: Promise<void>;
  readonly leave: () => void;
}

async function watch(name: string): Promise<Watch> {
  const { promise, resolve } = Promise.withResolvers<Watch>();
  const call = request({ socketPath: host.socketPath, path: `/containers/${name}/stats`, agent: false });
  call.on("response", (response) => {
    const lines: string[] = [];
    const waiting = new Set<() => void>();
    let rest = "";
    response.on("data", (chunk) => {
      const parts = `${rest}${String(chunk)}`.split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts);
      for (const wake of waiting) wake();
    });
    const end = Promise.withResolvers<void>();
    response.on("close", () => end.resolve());
    response.on("error", () => end.resolve());
    const more = async (count: number): Promise<void> => {
      const wanted = lines.length + count;
      while (lines.length < wanted) {
        const { promise: next, resolve: wake } = Promise.withResolvers<void>();
        waiting.add(wake);
        await next;
        waiting.delete(wake);
      }
    };
    resolve({ lines, more, ended: end.promise, leave: () => call.destroy() });
  });
  call.end();
  return await promise;
}

test("a stream goes on over an end and a new start, until the container is removed", async () => {
  const id = await started("web");
  const web = await watch("web");
  await web.more(2);
  expect(JSON.parse(web.lines[0] ?? "")).toMatchObject({ id, preread: "0001-01-01T00:00:00Z" });
  expect(JSON.parse(web.lines[1] ?? "").preread).toBe(JSON.parse(web.lines[0] ?? "").read);
  host.tasks.running.get(id)?.exit(0);
  await host.store.find("web").settling;
  await web.more(2);
  expect(JSON.parse(web.lines.at(-1) ?? "")).toMatchObject({ id, read: "0001-01-01T00:00:00Z" });
  await host.call("POST", "/containers/web/start");
  await web.more(2);
  expect(JSON.parse(web.lines.at(-1) ?? "")).not.toMatchObject({ read: "0001-01-01T00:00:00Z" });
  expect((await host.call("DELETE", "/containers/web?force=1")).status).toBe(204);
  await web.ended;
});

test("nothing is measured any more when the client goes away", async () => {
  await started("web");
  const web = await watch("web");
  await web.more(1);
  expect(host.stats.watched).toBe(1);
  web.leave();
  await web.ended;
  while (host.stats.watched > 0) await Bun.sleep(1);
});
