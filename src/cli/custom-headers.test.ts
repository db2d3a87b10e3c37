import { afterEach, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../base/errors.ts";
import { parseHeaders } from "./custom-headers.ts";
import { cleanUp, FakeEngine, gantry, temporaryDirectory } from "./testing/fake-engine.ts";

afterEach(cleanUp);

function refusal(text: string): string {
  try {
    parseHeaders("V", text);
    return "";
  } catch (error) {
    return messageOf(error);
  }
}

test("headers are pairs of one line of CSV; blanks around names do not count, those of values do", () => {
  expect([...parseHeaders("V", ' X-One = 1 ,"X-Two=a,b",X-Empty=')]).toEqual([
    ["X-One", " 1 "],
    ["X-Two", "a,b"],
    ["X-Empty", ""],
  ]);
});

test("what is no such pair is refused in Docker's words", () => {
  const set = "Failed to initialize: failed to set custom headers from V environment variable";
  expect(refusal("a")).toBe(`${set}: missing "=" in key=value pair: 'a'`);
  expect(refusal("=b")).toBe(`${set}: value contains a key=value pair with an empty key: '=b'`);
  expect(refusal('a=b"')).toBe(
    "Failed to initialize: failed to parse custom headers from V environment variable: value must be formatted as comma-separated key=value pairs",
  );
});

test("the variable's headers are sent instead of the configuration's", async () => {
  const seen: unknown[] = [];
  const engine = await new FakeEngine().start((_call, response) => {
    const { headers } = response.req;
    seen.push([headers["x-own"], headers["x-other"]]);
    response.end("[]");
  });
  const home = temporaryDirectory();
  mkdirSync(join(home, ".docker"));
  writeFileSync(join(home, ".docker/config.json"), '{"HttpHeaders":{"X-Own":"1"}}');
  await gantry(["ps", "-q"], engine.variables, home);
  await gantry(["ps", "-q"], { ...engine.variables, DOCKER_CUSTOM_HEADERS: "X-Other=2" }, home);
  expect(seen).toEqual([
    ["1", undefined],
    [undefined, "2"],
  ]);
});
