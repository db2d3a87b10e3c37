import { expect, test } from "bun:test";
import { messageOf } from "../../base/errors.ts";
import { compileTemplate } from "../../cli/output/template.ts";
import { checkLogOptions, LOG_DRIVERS, type LogPlan, planLog } from "./log-drivers.ts";
import type { LogFacts } from "./log-facts.ts";

const FACTS: LogFacts = {
  id: "0123456789abcdef".repeat(4),
  name: "web",
  imageId: `sha256:${"ab".repeat(32)}`,
  imageName: "app:1",
  entrypoint: "/bin/run",
  args: ["-x", "y"],
  createdNs: 1_700_000_000_123_456_789n,
  env: ["A=1", "B=2=3", "APP_ONE=x"],
  labels: { tier: "web", "app.one": "1", __proto__x: "p" },
  hostname: "host",
};
const render = (template: string, name: string, data: unknown): string =>
  compileTemplate(template, name).execute(data);

function plan(type: string, options: Record<string, string> = {}): LogPlan | undefined {
  return planLog(type, new Map(Object.entries(options)), FACTS, render);
}

function refusal(type: string, options: Record<string, string> = {}): string {
  try {
    checkLogOptions(type, new Map(Object.entries(options)));
    return "accepted";
  } catch (error) {
    return messageOf(error);
  }
}

test("there are Docker's drivers for this host's own sinks", () => {
  expect(LOG_DRIVERS).toEqual(["fluentd", "gelf", "journald", "json-file", "local", "syslog"]);
});

test("sizes of files have decimal units, those of memory binary ones", () => {
  const sizes = { "10": 10, "10b": 10, "2k": 2000, "1m": 1e6, "1.5g": 1.5e9, "1 MB": 1e6, "1KiB": 1000 };
  for (const [text, bytes] of Object.entries(sizes))
    expect(plan("json-file", { "max-size": text })?.file.maxBytes).toBe(bytes);
  const sent = plan("journald", { mode: "non-blocking", "max-buffer-size": "200m" });
  expect(sent?.file).toMatchObject({ maxBytes: 20 << 20, maxFiles: 11 });
});

test("what a driver does not take is refused in Docker's words", () => {
  const refused: readonly (readonly [string, Record<string, string>, string])[] = [
    ["foo", {}, 'error looking up logging plugin foo: plugin "foo" not found'],
    ["awslogs", {}, 'log driver "awslogs" is not supported by this engine'],
    ["json-file", { foo: "x" }, "unknown log opt 'foo' for json-file log driver"],
    ["json-file", { "max-size": "x" }, "invalid size: 'x'"],
    ["json-file", { "max-size": "10x" }, "invalid suffix: 'x'"],
    ["json-file", { "max-size": "10kbb" }, "invalid suffix: 'kbb'"],
    ["json-file", { "max-size": "0" }, "max-size must be a positive number"],
    ["json-file", { "max-size": "-1" }, "invalid size: '-1'"],
    ["json-file", { "max-file": "0" }, "max-file cannot be less than 1"],
    ["json-file", { "max-file": "x" }, 'strconv.Atoi: parsing "x": invalid syntax'],
    ["json-file", { compress: "x" }, 'strconv.ParseBool: parsing "x": invalid syntax'],
    [
      "json-file",
      { compress: "true" },
      "compress cannot be true when max-file is less than 2 or max-size is not set",
    ],
    ["json-file", { mode: "sideways" }, "logger: logging mode not supported: sideways"],
    [
      "json-file",
      { "max-buffer-size": "1m" },
      "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
    ],
    [
      "json-file",
      { mode: "non-blocking", "max-buffer-size": "x" },
      "error parsing option max-buffer-size: invalid size: 'x'",
    ],
    ["json-file", { "labels-regex": "(" }, "error parsing regexp of log opt 'labels-regex'"],
    ["local", { foo: "x" }, "unknown log opt 'foo' for log driver local"],
    ["local", { "max-file": "1" }, "compression cannot be enabled when max file count is 1"],
    ["local", { compress: "x" }, "invalid boolean value for compress: strconv.ParseBool"],
    ["local", { "max-size": "x" }, "invalid value for max-size: x: invalid size: 'x'"],
    ["syslog", { foo: "x" }, "unknown log opt 'foo' for syslog log driver"],
    ["syslog", { "syslog-address": "ftp://x" }, "unsupported scheme: 'ftp'"],
    ["syslog", { "syslog-address": "foo" }, "unsupported scheme: ''"],
    ["gelf", { "gelf-address": "foo" }, "gelf: endpoint needs to be TCP or UDP"],
    ["syslog", { "syslog-address": "tcp://x:99999" }, "invalid port"],
    ["syslog", { "syslog-facility": "24" }, "invalid syslog facility"],
    ["syslog", { "syslog-facility": "-" }, "invalid syslog facility"],
    ["syslog", { "syslog-format": "x" }, "Invalid syslog format"],
    ["journald", { foo: "x" }, "unknown log opt 'foo' for journald log driver"],
    ["fluentd", { foo: "x" }, "unknown log opt 'foo' for fluentd log driver"],
    [
      "fluentd",
      { "fluentd-address": "tcp://h:1/x" },
      "invalid fluentd-address (tcp://h:1/x): should not contain a path element",
    ],
    ["fluentd", { "fluentd-address": "unix:///" }, "invalid fluentd-address (unix:///): path is empty"],
    [
      "fluentd",
      { "fluentd-address": "udp://h" },
      "invalid fluentd-address (udp://h): unsupported scheme: 'udp'",
    ],
    ["fluentd", { "fluentd-async": "x" }, 'strconv.ParseBool: parsing "x": invalid syntax'],
    ["fluentd", { "fluentd-max-retries": "-1" }, 'strconv.ParseUint: parsing "-1": invalid syntax'],
    ["fluentd", { "fluentd-max-retries": "2147483648" }, "invalid fluentd-max-retries: value out of range"],
    ["fluentd", { "fluentd-retry-wait": "5" }, 'time: missing unit in duration "5"'],
    [
      "fluentd",
      { "fluentd-async-reconnect-interval": "1h" },
      'invalid value for fluentd-async-reconnect-interval: value ("1h") must be between 100ms and 10s',
    ],
    [
      "fluentd",
      { "fluentd-write-timeout": "-1s" },
      "invalid value for fluentd-write-timeout: value must be a duration that is non-negative",
    ],
    ["gelf", {}, "gelf-address is a required parameter"],
    ["gelf", { "gelf-address": "http://h:1" }, "gelf: endpoint needs to be TCP or UDP"],
    ["gelf", { "gelf-address": "udp://h" }, "gelf: please provide gelf-address as proto://host:port"],
    ["gelf", { "gelf-address": "udp://h:1", foo: "x" }, 'unknown log opt "foo" for gelf log driver'],
    [
      "gelf",
      { "gelf-address": "tcp://h:1", "gelf-compression-type": "gzip" },
      "compression is only supported on UDP",
    ],
    [
      "gelf",
      { "gelf-address": "udp://h:1", "gelf-compression-type": "lz4" },
      'unknown value "lz4" for log opt "gelf-compression-type" for gelf log driver',
    ],
    [
      "gelf",
      { "gelf-address": "udp://h:1", "gelf-compression-level": "10" },
      'unknown value "10" for log opt "gelf-compression-level" for gelf log driver',
    ],
    [
      "gelf",
      { "gelf-address": "udp://h:1", "gelf-tcp-max-reconnect": "1" },
      '"gelf-tcp-max-reconnect" is only valid for TCP',
    ],
    [
      "gelf",
      { "gelf-address": "tcp://h:1", "gelf-tcp-reconnect-delay": "x" },
      '"gelf-tcp-reconnect-delay" must be a positive integer',
    ],
    [
      "gelf",
      { "gelf-address": "udp://h:1", "cache-disabled": "x" },
      "invalid value for option cache-disabled: x",
    ],
  ];
  for (const [type, options, words] of refused) expect(refusal(type, options)).toContain(words);
});

test("the cache's options are taken by every driver", () => {
  const cache = { "cache-max-size": "1k", "cache-max-file": "7", "cache-compress": "false" };
  expect(refusal("json-file", cache)).toBe("accepted");
  expect(plan("journald", cache)?.file).toMatchObject({ maxBytes: 1000, maxFiles: 7, compress: false });
  expect(plan("journald", { "cache-disabled": "true" })?.isReadable).toBe(false);
  expect(plan("journald")?.isReadable).toBe(true);
});

test("labels and variables become attributes: by name, by expression, variables last", () => {
  const attrs = (options: Record<string, string>): unknown =>
    JSON.parse(plan("json-file", options)?.file.attrs ?? "");
  expect(attrs({ labels: "tier,missing", env: "B,C" })).toEqual({ tier: "web", B: "2=3" });
  expect(attrs({ "labels-regex": "^app", "env-regex": "(?i)^app" })).toEqual({
    "app.one": "1",
    APP_ONE: "x",
  });
  expect(plan("json-file", { "labels-regex": "nothing" })?.file.attrs).toBe("");
});

test("a tag is a template over the container; json-file has one only when asked", () => {
  const tag = (template: string): unknown =>
    JSON.parse(plan("json-file", { tag: template })?.file.attrs ?? "");
  expect(plan("json-file")?.file.attrs).toBe("");
  expect(tag("{{.ID}}")).toEqual({ tag: "0123456789ab" });
  expect(tag("{{.Name}}/{{.ImageName}}/{{.ImageID}}")).toEqual({ tag: "web/app:1/abababababab" });
  expect(tag("{{.Command | upper}}")).toEqual({ tag: "/BIN/RUN -X Y" });
  expect(tag('{{index .ContainerLabels "tier"}}')).toEqual({ tag: "web" });
  expect(plan("syslog")?.remote?.tag).toBe("0123456789ab");
  expect(() => tag("{{.Nope}}")).toThrow("Nope");
  expect(() => tag("{{")).toThrow("unclosed action");
  expect(() => tag(`{{printf "%5000s" .Name}}`)).toThrow("the tag is longer than 4096 characters");
});

test("addresses have Docker's defaults", () => {
  const at = (type: string, options: Record<string, string>): unknown =>
    plan(type, options)?.remote?.endpoint;
  expect(at("syslog", {})).toMatchObject({
    kind: "unixgram",
    paths: ["/dev/log", "/var/run/syslog", "/var/run/log"],
  });
  expect(at("syslog", { "syslog-address": "tcp://[::1]:601" })).toEqual({
    kind: "tcp",
    host: "::1",
    port: 601,
  });
  expect(at("syslog", { "syslog-address": "tcp+tls://h", "syslog-tls-skip-verify": "" })).toEqual({
    kind: "tls",
    host: "h",
    port: 514,
    tls: { ca: "", cert: "", key: "", verify: false },
  });
  expect(at("fluentd", {})).toEqual({ kind: "tcp", host: "127.0.0.1", port: 24224 });
  expect(at("fluentd", { "fluentd-address": "h" })).toEqual({ kind: "tcp", host: "h", port: 24224 });
  expect(at("fluentd", { "fluentd-address": "unix:///run/f%20x" })).toEqual({
    kind: "unix",
    path: "/run/f x",
  });
});

test("what an image has chosen does not pass for what the engine says", () => {
  const labels = {
    container_id: "fake",
    message: "fake",
    priority: "0",
    _id: "fake",
    image_name: "fake",
    "9x": "y",
  };
  const hostile = { ...FACTS, labels };
  const all = (type: string, more: Record<string, string> = {}): LogPlan | undefined =>
    planLog(type, new Map(Object.entries({ "labels-regex": ".", ...more })), hostile, render);
  const journal = all("journald")?.remote;
  if (journal?.kind !== "journald") throw new Error("no journald");
  expect(journal.fields.get("CONTAINER_ID")).toBe(FACTS.id.slice(0, 12));
  expect(journal.fields.get("IMAGE_NAME")).toBe("app:1");
  expect([journal.fields.has("MESSAGE"), journal.fields.has("PRIORITY")]).toEqual([false, false]);
  const gelf = all("gelf", { "gelf-address": "udp://h:1" })?.remote;
  if (gelf?.kind !== "gelf") throw new Error("no gelf");
  expect(gelf.fields.get("_container_id")).toBe(FACTS.id);
  expect(gelf.fields.get("_created")).toBe("2023-11-14T22:13:20.123456789Z");
  expect(gelf.fields.has("_id")).toBe(false);
});
