import { afterEach, beforeEach, expect, test } from "bun:test";
import { ApiHost } from "../testing/api-host.ts";

let host: ApiHost;

beforeEach(async () => {
  host = await ApiHost.start();
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
});

const CONTAINERS = "GET /containers/json";

test.each([
  [
    CONTAINERS,
    "publish",
    "x",
    'error while looking up for publish x: strconv.ParseUint: parsing "x": invalid syntax',
  ],
  [
    CONTAINERS,
    "expose",
    "9-3",
    "error while looking up for expose 9-3: invalid range specified for the Port: 9-3",
  ],
  [CONTAINERS, "is-task", "maybe", "invalid filter 'is-task=[maybe]'"],
  ["GET /images/json", "dangling", "maybe", "invalid filter 'dangling=[maybe]'"],
  ["POST /containers/prune", "until", "x", 'failed to parse value as time or duration: "x"'],
  ["POST /build/prune", "nonsense", "1", "invalid filter 'nonsense'"],
] as const)("%s refuses the filter %s=%s", async (verb, key, value, message) => {
  const [method = "", path = ""] = verb.split(" ");
  const filters = encodeURIComponent(JSON.stringify({ [key]: [value] }));
  const answer = await host.call(method, `${path}?filters=${filters}`);
  expect([answer.status, answer.json]).toEqual([400, { message }]);
});

test.each([
  ["publish", "80/tcp"],
  ["expose", "80-90"],
  ["is-task", "true"],
])("containers are not found by %s=%s when none fits", async (key, value) => {
  await host.create("web");
  const filters = encodeURIComponent(JSON.stringify({ [key]: [value] }));
  expect((await host.call("GET", `/containers/json?all=1&filters=${filters}`)).json).toEqual([]);
});
