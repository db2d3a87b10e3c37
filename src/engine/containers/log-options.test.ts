import { expect, test } from "bun:test";
import type { LogSink } from "../../core/tasks/tasks.ts";
import { containerConfig } from "../testing/host-config.ts";
import { logSinkOf } from "./log-options.ts";

const CONFIG = containerConfig({ Labels: { tier: "web", other: "x" }, Env: ["A=1", "B=2=3"] });

function sink(options: Record<string, string> | null, type = "json-file"): LogSink | undefined {
  return logSinkOf({ Type: type, Config: options }, CONFIG, "/log");
}

test("json-file without options never rotates", () => {
  expect(sink(null)).toEqual({ path: "/log", maxBytes: 0, maxFiles: 1, compress: false, attrs: "" });
});

test("sizes have Docker's binary units", () => {
  const sizes = { "10": 10, "10b": 10, "2k": 2048, "1m": 1 << 20, "1.5g": 1.5 * 2 ** 30, "-1": 0 };
  for (const [text, bytes] of Object.entries(sizes)) expect(sink({ "max-size": text })?.maxBytes).toBe(bytes);
  for (const text of ["x", "0", "-5", "1e9", "10mm"])
    expect(() => sink({ "max-size": text })).toThrow("max-size");
});

test("files and compression depend on a size", () => {
  expect(sink({ "max-size": "1m", "max-file": "3", compress: "true" })).toMatchObject({
    maxFiles: 3,
    compress: true,
  });
  expect(() => sink({ "max-file": "3" })).toThrow("max-file cannot be used without max-size");
  expect(() => sink({ "max-size": "1m", compress: "true" })).toThrow("compress cannot be true");
  expect(() => sink({ "max-file": "0" })).toThrow("max-file cannot be less than 1");
});

test("labels and variables become attributes", () => {
  expect(JSON.parse(sink({ labels: "tier,missing", env: "B,C" })?.attrs ?? "")).toEqual({
    tier: "web",
    B: "2=3",
  });
});

test("driver none keeps no log; unknown options and drivers are refused by name", () => {
  expect(sink(null, "none")).toBeUndefined();
  expect(() => sink({ foo: "x" })).toThrow("unknown log opt 'foo' for json-file log driver");
  expect(() => sink({ mode: "non-blocking" })).toThrow("log opt 'mode' is not supported");
  expect(() => sink(null, "syslog")).toThrow('log driver "syslog" is not supported');
  expect(() => sink(null, "foo")).toThrow("logger: no log driver named 'foo' is registered");
});
