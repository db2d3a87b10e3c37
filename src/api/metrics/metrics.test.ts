import { expect, test } from "bun:test";
import { messageOf } from "../../base/errors.ts";
import { info } from "../../engine/system/info.ts";
import { ApiHost } from "../testing/api-host.ts";
import { Metrics } from "./metrics.ts";
import { parseMetricsAddress, serveMetrics } from "./serve.ts";

async function withHost(work: (host: ApiHost, metrics: Metrics) => Promise<void>): Promise<void> {
  await using host = await ApiHost.start();
  const metrics = new Metrics({
    info: () => info(host.systemDeps),
    events: host.hub,
    process: () => ({ residentBytes: 7, cpuSeconds: 1.5, startSeconds: 100 }),
  });
  await work(host, metrics);
}

test("requests are counted by route, and containers by what they do", () =>
  withHost(async (host, metrics) => {
    host.observer = metrics;
    await host.create("web");
    await host.call("POST", "/containers/web/start");
    await host.call("POST", "/containers/nobody/start");
    await host.call("GET", "/no/such/route");
    const text = metrics.text();
    expect(text).toContain('gantry_api_requests_total{route="POST /containers/:id/start",code="204"} 1');
    expect(text).toContain('gantry_api_requests_total{route="POST /containers/:id/start",code="404"} 1');
    expect(text).not.toContain("no/such");
    expect(text).toContain('engine_daemon_container_actions_seconds_count{action="start"} 1');
    expect(text).toContain('engine_daemon_container_actions_seconds_bucket{action="start",le="+Inf"} 1');
    expect(text).toContain('engine_daemon_container_states_containers{state="running"} 1');
    expect(text).toMatch(/^engine_daemon_events_total [1-9]\d*$/m);
    expect(text).toContain('engine_daemon_engine_info{architecture="x86_64",commit="abc",daemon_id="test"');
    expect(text).toContain("process_resident_memory_bytes 7\n");
  }));

test("every line is a comment or a sample, and no series comes twice", () =>
  withHost(async (host, metrics) => {
    host.observer = metrics;
    await host.create("web");
    const lines = metrics.text().trimEnd().split("\n");
    const samples = lines.filter((line) => !line.startsWith("# "));
    for (const line of samples)
      expect(line).toMatch(/^[a-z_]+(\{([a-z_]+="([^"\\\n]|\\.)*",?)*\})? [-0-9.e+]+$/);
    const names = samples.map((line) => line.slice(0, line.lastIndexOf(" ")));
    expect(new Set(names).size).toBe(names.length);
  }));

test("addresses are HOST:PORT", () => {
  expect(parseMetricsAddress("127.0.0.1:9323")).toEqual({ host: "127.0.0.1", port: 9323 });
  expect(parseMetricsAddress("[::1]:9323")).toEqual({ host: "::1", port: 9323 });
  expect(parseMetricsAddress(":1")).toEqual({ host: "", port: 1 });
  for (const text of ["", "9323", "host", "h:99999", "::1:80", "http://a:1"])
    expect(() => parseMetricsAddress(text)).toThrow("HOST:PORT");
});

test("they are served at /metrics and nowhere else, and a port that is taken says so", async () => {
  const server = await serveMetrics({ host: "127.0.0.1", port: 0 }, { text: () => "a 1\n" });
  try {
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect([answer.status, await answer.text()]).toEqual([200, "a 1\n"]);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
    const taken = await serveMetrics({ host: "127.0.0.1", port }, { text: () => "" }).then(String, messageOf);
    expect(taken).toContain(`cannot serve metrics on "127.0.0.1:${port}"`);
  } finally {
    server.close();
  }
});
