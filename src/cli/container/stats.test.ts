/** `gantry stats`: whom it asks, what it reckons and how it shows it. */
import { afterEach, expect, test } from "bun:test";
import type { ServerResponse } from "node:http";
import { cleanUp, fail, FakeEngine, gantry } from "../testing/fake-engine.ts";
import { entryOf } from "./stats-entry.ts";

afterEach(cleanUp);

const ID = "0123456789abcdef".repeat(4);

function document(name: string, more: object = {}): Readonly<Record<string, unknown>> {
  return {
    id: ID,
    name: `/${name}`,
    pids_stats: { current: 7 },
    cpu_stats: { cpu_usage: { total_usage: 3e9 }, system_cpu_usage: 20e9, online_cpus: 2 },
    precpu_stats: { cpu_usage: { total_usage: 1e9 }, system_cpu_usage: 10e9, online_cpus: 2 },
    memory_stats: { usage: 100 << 20, limit: 1 << 30, stats: { total_inactive_file: 36 << 20 } },
    networks: { eth0: { rx_bytes: 1000, tx_bytes: 20 }, eth1: { rx_bytes: 500, tx_bytes: 3 } },
    blkio_stats: {
      io_service_bytes_recursive: [
        { op: "Read", value: 4096 },
        { op: "Write", value: 1e6 },
        { op: "Total", value: 5e6 },
      ],
    },
    ...more,
  };
}

function answer({ url }: { readonly url: string }, response: ServerResponse): void {
  const name = /^\/containers\/([^/]+)\/stats/.exec(url)?.[1];
  if (url.startsWith("/containers/json")) response.end(JSON.stringify([{ Id: "web" }, { Id: "db" }]));
  else if (name?.startsWith("nosuch")) fail(response, 404, `No such container: ${name}`);
  else response.end(JSON.stringify(document(name ?? "")));
}

async function stats(...words: string[]) {
  const engine = await new FakeEngine().start(answer);
  return { engine, ...(await gantry(["stats", ...words], engine.variables)) };
}

test("stats --no-stream shows all that run, one answer each", async () => {
  const { engine, ...outcome } = await stats("--no-stream");
  expect(outcome).toEqual({
    status: 0,
    err: "",
    out:
      "CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O       BLOCK I/O     PIDS\n" +
      "0123456789ab   web       40.00%    64MiB / 1GiB        6.25%     1.5kB / 23B   4.1kB / 1MB   7\n" +
      "0123456789ab   db        40.00%    64MiB / 1GiB        6.25%     1.5kB / 23B   4.1kB / 1MB   7\n",
  });
  expect(engine.urls().toSorted()).toEqual([
    "GET /containers/db/stats?stream=0",
    "GET /containers/json",
    "GET /containers/web/stats?stream=0",
  ]);
});

test("stats --no-stream asks for those that were named, once each, or for the stopped ones, too", async () => {
  expect((await stats("--no-stream", "web", "web")).engine.urls()).toEqual([
    "GET /containers/web/stats?stream=0",
  ]);
  expect((await stats("--no-stream", "-a")).engine.urls()).toContain("GET /containers/json?all=1");
});

test("stats tells of every name that there is not, and shows nothing", async () => {
  for (const words of [["--no-stream"], []])
    expect(await stats(...words, "nosuch1", "web", "nosuch2")).toMatchObject({
      status: 1,
      out: "",
      err: "Error response from daemon: No such container: nosuch1\nError response from daemon: No such container: nosuch2\n",
    });
});

test("stats --format knows templates and JSON, --no-trunc whole IDs", async () => {
  const shown = async (...words: string[]) => (await stats("--no-stream", ...words, "web")).out;
  expect(await shown("--format", "{{.Name}}: {{.CPUPerc}} {{.PIDs}}")).toBe("web: 40.00% 7\n");
  expect(await shown("--format", "table {{.Container}}\t{{.MemPerc}}")).toBe(
    "CONTAINER   MEM %\nweb         6.25%\n",
  );
  expect(JSON.parse(await shown("--format", "json", "--no-trunc"))).toEqual({
    BlockIO: "4.1kB / 1MB",
    CPUPerc: "40.00%",
    Container: "web",
    ID,
    MemPerc: "6.25%",
    MemUsage: "64MiB / 1GiB",
    Name: "web",
    NetIO: "1.5kB / 23B",
    PIDs: "7",
  });
});

test("memory is shown without what the kernel would give back first", () => {
  const used = (stats: object, usage = 100): unknown =>
    entryOf("c", { memory_stats: { usage, stats, limit: 1000 } }).usage?.memory;
  expect(used({ total_inactive_file: 30, inactive_file: 5 })).toBe(70);
  expect(used({ inactive_file: 20 })).toBe(80);
  expect(used({ total_inactive_file: 300 })).toBe(100);
  expect(used({})).toBe(100);
});

test("the share of the processors is nothing where nothing is to be compared", () => {
  const share = (more: object): unknown => entryOf("c", document("c", more)).usage?.cpuPercent;
  expect(share({})).toBe(40);
  expect(share({ cpu_stats: {} })).toBe(0);
  expect(share({ precpu_stats: { cpu_usage: { total_usage: 9e9 }, system_cpu_usage: 1 } })).toBe(0);
  const old = { cpu_usage: { total_usage: 3e9, percpu_usage: [1, 2, 3, 4] }, system_cpu_usage: 20e9 };
  expect(share({ cpu_stats: old })).toBe(80);
});

test("stats draws again and again, with containers that come and go by events", async () => {
  const streams = new Map<string, ServerResponse>();
  let events: ServerResponse | undefined;
  const engine = await new FakeEngine().start(({ url }, response) => {
    const name = /^\/containers\/([^/]+)\/stats/.exec(url)?.[1];
    if (url.startsWith("/events")) {
      response.flushHeaders();
      events = response;
    } else if (name === undefined) response.end(JSON.stringify([{ Id: "web" }]));
    else {
      response.write(`${JSON.stringify(document(name))}\n`);
      response.on("close", () => streams.delete(name));
      streams.set(name, response);
      // The first one has been drawn by the time that the second is asked for.
      if (name === "web") tell("start", "db");
      else tell("die", "web");
    }
  });
  const tell = (Action: string, ID: string): void => {
    events?.write(`${JSON.stringify({ Type: "container", Action, Actor: { ID } })}\n`);
  };
  const running = gantry(["stats", "--format", "{{.Name}}"], engine.variables);
  while (streams.has("web") || !streams.has("db")) await Bun.sleep(5);
  await Bun.sleep(600);
  events?.destroy();
  const { status, out, err } = await running;
  expect([status, err]).toEqual([0, ""]);
  expect(out.startsWith("\u001b[H")).toBe(true);
  expect(out.split("\u001b[J").at(-2)).toBe("\u001b[Hdb\u001b[K\n\u001b[K\n");
  while (streams.size > 0) await Bun.sleep(5);
  expect(engine.urls().slice(0, 2)).toEqual([
    `GET /events?filters=${encodeURIComponent('{"type":{"container":true}}')}`,
    "GET /containers/json",
  ]);
});

test("stats of named containers ends when none of them tells anything any more", async () => {
  const { status, out } = await stats("--format", "{{.Name}} {{.CPUPerc}}", "web");
  expect(status).toBe(0);
  expect(out).toContain("web");
});
