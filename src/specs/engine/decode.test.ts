import { expect, test } from "bun:test";
import { decodeContainerCreate } from "./container.decode.ts";
import { decodeExecCreate, decodeExecStart } from "./exec.decode.ts";
import { decodeFilters } from "./filters.decode.ts";
import { Fields, parseJson } from "./fields.decode.ts";

test("absent and null fields are their defaults", () => {
  const { config, host, networks } = decodeContainerCreate({ Image: "x", Env: null, HostConfig: null });
  expect(config).toMatchObject({ Image: "x", Env: null, Tty: false, StopTimeout: null });
  expect(host).toMatchObject({ Memory: 0, Binds: null, RestartPolicy: { Name: "", MaximumRetryCount: 0 } });
  expect(networks).toEqual({});
});

test("keys match by case-folding, as Go's decoder does", () => {
  const { host } = decodeContainerCreate({ image: "x", hostconfig: { PRIVILEGED: true } });
  expect(host.Privileged).toBe(true);
});

test("keys that differ only in case are refused", () => {
  expect(() => decodeContainerCreate({ HostConfig: { Privileged: false, privileged: true } })).toThrow(
    'fields "Privileged" and "privileged" differ only in case',
  );
});

test("a wrong type is named by its path, in every place", () => {
  const wrong: readonly (readonly [unknown, string])[] = [
    [[], '"(document)" must be an object, not an array'],
    [{ Image: 5 }, '"Image" must be a string, not a number'],
    [{ Env: ["a", 1] }, '"Env[1]" must be a string, not a number'],
    [{ Labels: { a: {} } }, '"Labels["a"]" must be a string, not an object'],
    [{ HostConfig: { Memory: "5" } }, '"HostConfig.Memory" must be an integer, not a string'],
    [{ HostConfig: { Memory: 1.5 } }, '"HostConfig.Memory" must be an integer of at most 53 bits'],
    [{ HostConfig: { Memory: 2 ** 53 } }, '"HostConfig.Memory" must be an integer of at most 53 bits'],
    [{ HostConfig: { Ulimits: [{ Soft: true }] } }, '"HostConfig.Ulimits[0].Soft" must be an integer'],
    [{ HostConfig: { PortBindings: { "80/tcp": [{ HostPort: 80 }] } } }, 'HostPort" must be a string'],
    [{ Tty: "yes" }, '"Tty" must be true or false, not a string'],
  ];
  for (const [body, message] of wrong) expect(() => decodeContainerCreate(body)).toThrow(message);
});

test("commands may be one string", () => {
  expect(decodeContainerCreate({ Cmd: "sh", Entrypoint: "/e" }).config).toMatchObject({
    Cmd: ["sh"],
    Entrypoint: ["/e"],
  });
});

test("maps keep every key that a user may choose", () => {
  const body = parseJson('{"Labels":{"__proto__":"a","constructor":"b","Case":"c","case":"d"}}');
  const labels = decodeContainerCreate(body).config.Labels ?? {};
  expect(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1))).toEqual([
    ["Case", "c"],
    ["__proto__", "a"],
    ["case", "d"],
    ["constructor", "b"],
  ]);
  expect(labels["toString"]).toBeUndefined();
});

test("wishes for networks are read with the container", () => {
  const { networks, macAddress } = decodeContainerCreate({
    MacAddress: "02:42:00:00:00:01",
    NetworkingConfig: {
      EndpointsConfig: { n: { IPAMConfig: { IPv4Address: "10.0.0.1" }, Aliases: ["x"] }, default: null },
    },
  });
  expect(networks).toMatchObject({
    n: { IPAMConfig: { IPv4Address: "10.0.0.1", IPv6Address: "" }, Aliases: ["x"] },
    default: null,
  });
  expect(macAddress).toBe("02:42:00:00:00:01");
});

test("parseJson() refuses what is nested too deeply, but not brackets in texts", () => {
  expect(() => parseJson("[".repeat(100_000))).toThrow("more than 200 levels");
  expect(parseJson(`["${"[".repeat(500)}\\""]`)).toHaveLength(1);
});

test("a document may end in nothing else", () => {
  expect(() => parseJson('{"a":1} {"b":2}')).toThrow("invalid JSON");
});

test("exec needs a command", () => {
  expect(() => decodeExecCreate({})).toThrow("No exec command specified");
  expect(decodeExecCreate({ Cmd: ["a"], Tty: true })).toMatchObject({ Cmd: ["a"], Tty: true });
});

test("exec start may be empty; a console size has two numbers", () => {
  expect(decodeExecStart(undefined)).toEqual({ Detach: false, Tty: false, ConsoleSize: null });
  expect(decodeExecStart({ ConsoleSize: [24, 80] }).ConsoleSize).toEqual([24, 80]);
  for (const size of [[1], [1, 2, 3], [-1, 5], [70_000, 1]])
    expect(() => decodeExecStart({ ConsoleSize: size })).toThrow("ConsoleSize");
});

test("decodeFilters() takes lists and the older form, and no unknown keys", () => {
  expect([...decodeFilters('{"name":["a","b"]}', ["name"])]).toEqual([["name", ["a", "b"]]]);
  expect([...decodeFilters('{"name":{"a":true,"b":false}}', ["name"])]).toEqual([["name", ["a"]]]);
  expect(() => decodeFilters('{"foo":["a"]}', ["name"])).toThrow("invalid filter 'foo'");
  for (const text of ["x", "[]", '{"name":5}', '{"name":[5]}'])
    expect(() => decodeFilters(text, ["name"])).toThrow("invalid filter");
});

test("Fields reads a value that is called like a member of every object", () => {
  expect(new Fields({}, "").raw("constructor")).toBeUndefined();
});
