/** What clients of all ages find at the edges of the API. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { ApiHost } from "../testing/api-host.ts";

let host: ApiHost;
beforeEach(async () => {
  host = await ApiHost.start();
});
afterEach(() => host[Symbol.asyncDispose]());

test("checkpoints are refused as by an engine that is not experimental", async () => {
  await host.create("web");
  for (const [method, path] of [
    ["GET", "/containers/web/checkpoints"],
    ["POST", "/containers/web/checkpoints"],
    ["DELETE", "/containers/web/checkpoints/one"],
  ] as const) {
    const answer = await host.call(method, path, method === "POST" ? {} : undefined);
    expect(answer.status).toBe(501);
    expect(answer.text).toContain("This experimental feature is disabled by default");
  }
  const start = await host.call("POST", "/containers/web/start?checkpoint=one");
  expect([start.status, start.json]).toEqual([
    400,
    { message: "checkpoint is only supported in experimental mode" },
  ]);
});

test("OPTIONS is answered wherever it asks", async () => {
  const answer = await host.call("OPTIONS", "/v1.30/anything/there");
  expect([answer.status, answer.text, answer.headers["api-version"]]).toEqual([200, "", "1.51"]);
});

test("the list of networks may be asked for with a slash at its end, other lists not", async () => {
  const { text } = await host.call("GET", "/networks");
  expect((await host.call("GET", "/v1.40/networks/")).text).toBe(text);
  expect((await host.call("GET", "/info/")).status).toBe(404);
});

test("events cannot end before they begin", async () => {
  const answer = await host.call("GET", "/events?since=20&until=10");
  expect([answer.status, answer.json]).toEqual([
    400,
    { message: "`since` time (20) cannot be after `until` time (10)" },
  ]);
});

test("events of images carry the labels of the image", async () => {
  host.images.add("labelled", { Labels: { owner: "me", name: "a label" } });
  await host.call("POST", "/images/labelled/tag?repo=other&tag=1");
  expect(host.published.at(-1)?.Actor.Attributes).toEqual({ owner: "me", name: "other:1" });
});

test("an event that ends a prune has the older form for containers and images alone", async () => {
  for (const kind of ["containers", "networks", "images"]) await host.call("POST", `/${kind}/prune`);
  expect(host.published.map(({ Type, status }) => [Type, status])).toEqual([
    ["container", "prune"],
    ["network", undefined],
    ["image", "prune"],
  ]);
});

test("info and containers are what the client's version knows", async () => {
  await host.create("web");
  const info = async (version: string) => (await host.call("GET", `/v${version}/info`)).text;
  expect(await info("1.51")).toContain('"FirewallBackend":{"Driver":"nftables"}');
  expect(await info("1.48")).not.toContain("FirewallBackend");
  expect(await info("1.24")).toContain('"ExecutionDriver"');
  const web = async (version: string) => (await host.call("GET", `/v${version}/containers/web/json`)).text;
  expect(await web("1.48")).toContain("GwPriority");
  expect(await web("1.47")).not.toContain("GwPriority");
});
