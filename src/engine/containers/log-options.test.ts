import { expect, test } from "bun:test";
import { NO_LOG } from "../../base/log.ts";
import type { LogConfig } from "../../specs/engine/container.ts";
import { FakeForwarding, fakeLogging } from "../testing/fake-logging.ts";
import { containerConfig, hostConfig } from "../testing/host-config.ts";
import { Container } from "./container.ts";
import {
  checkLogSocket,
  type ContainerLog,
  effectiveLogConfig,
  forwardLog,
  logOf,
  prepareLog,
} from "./log-options.ts";
import { CREATED } from "./record.ts";

const ID = "a".repeat(64);
const JSON_FILE: LogConfig = { Type: "json-file", Config: {} };

function container(log: LogConfig): Container {
  const record = {
    id: ID,
    name: "web",
    createdNs: 0n,
    imageId: `sha256:${"b".repeat(64)}`,
    layer: undefined,
    config: containerConfig({ Image: "app:1", Cmd: ["run", "it"], Labels: { tier: "web" } }),
    host: hostConfig({ LogConfig: log }),
    imageConfig: null,
  };
  return new Container(record, CREATED, {
    cgroupVersion: 2,
    maskedPaths: [],
    readonlyPaths: [],
    hostname: "h",
    runtime: "gantry-runc",
    network: "none",
  });
}

function log(type: string, config: Record<string, string> = {}): ContainerLog | undefined {
  return logOf({ containersDir: "/c", logging: fakeLogging() }, container({ Type: type, Config: config }));
}

test("json-file is Docker's file in Docker's place, never rotated by itself", () => {
  expect(log("json-file")).toEqual({
    file: {
      path: `/c/${ID}/${ID}-json.log`,
      maxBytes: 0,
      maxFiles: 1,
      compress: false,
      exact: false,
      attrs: "",
    },
    isReadable: true,
    forwarded: undefined,
  });
});

test("a log that is sent away has a file of its own, exact and rotated, and a place for the position", () => {
  const sent = log("syslog", {
    "syslog-address": "udp://192.0.2.1",
    labels: "tier",
    tag: "{{.Name}}/{{.ImageName}}",
  });
  expect(sent?.file).toEqual({
    path: `/c/${ID}/local-logs/container.log`,
    maxBytes: 20 << 20,
    maxFiles: 5,
    compress: true,
    exact: true,
    attrs: '{"tier":"web"}',
  });
  expect(sent?.forwarded).toMatchObject({
    id: ID,
    positionPath: `/c/${ID}/forwarded`,
    remote: { kind: "syslog", tag: "web/app:1", endpoint: { kind: "udp", host: "192.0.2.1", port: 514 } },
  });
});

test("a socket that nobody has is refused when it is named, and where a host should have it", () => {
  expect(() => checkLogSocket(log("syslog", { "syslog-address": "unix:///nowhere/x" }))).toThrow(
    "stat /nowhere/x: no such file or directory",
  );
  expect(() => checkLogSocket(log("fluentd", { "fluentd-address": "unix:///nowhere/x" }))).not.toThrow();
  const deps = { containersDir: "/nowhere", logging: fakeLogging() };
  const one = container({ Type: "syslog", Config: { "syslog-address": "unixgram:///nowhere/x" } });
  expect(() => prepareLog(deps, one)).toThrow(
    "failed to initialize logging driver: Unix syslog delivery error",
  );
});

test("none keeps nothing", () => {
  expect(log("none")).toBeUndefined();
});

test("forwardLog() follows what is to be sent, and nothing else", () => {
  const forwarding = new FakeForwarding();
  const deps = { containersDir: "/c", logging: fakeLogging({ forwarding }), log: NO_LOG };
  forwardLog(deps, container(JSON_FILE), undefined);
  forwardLog(deps, container({ Type: "journald", Config: {} }), undefined);
  expect(forwarding.followed.map(({ remote }) => remote.kind)).toEqual(["journald"]);
});

test("the daemon's options are those of its driver; the cache's are everybody's", () => {
  const defaults = {
    Type: "fluentd",
    Config: { "fluentd-address": "h:1", labels: "a", "cache-max-file": "9" },
  };
  expect(effectiveLogConfig({ Type: "", Config: null }, defaults)).toEqual(defaults);
  expect(effectiveLogConfig({ Type: "fluentd", Config: { labels: "b" } }, defaults).Config).toEqual({
    "fluentd-address": "h:1",
    labels: "b",
    "cache-max-file": "9",
  });
  expect(effectiveLogConfig({ Type: "local", Config: {} }, defaults)).toEqual({
    Type: "local",
    Config: { "cache-max-file": "9" },
  });
  expect(effectiveLogConfig({ Type: "none", Config: null }, defaults)).toEqual({ Type: "none", Config: {} });
});

test("a wish that makes no sense is refused by name", () => {
  expect(() => effectiveLogConfig({ Type: "local", Config: { foo: "x" } }, JSON_FILE)).toThrow(
    "unknown log opt 'foo' for log driver local",
  );
});
