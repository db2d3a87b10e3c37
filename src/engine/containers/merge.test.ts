import { expect, test } from "bun:test";
import { containerConfig, hostConfig } from "../testing/host-config.ts";
import { defaultHostname, mergeConfig, mergeEnvironment, mergeHost } from "./merge.ts";

const HOSTNAME = "0123456789ab";
const image = containerConfig({
  Entrypoint: ["/entry"],
  Cmd: ["default"],
  Env: ["PATH=/bin", "A=image"],
  User: "web",
  WorkingDir: "/srv",
  Labels: { a: "image", b: "image" },
});

function command(fields: Record<string, unknown>): readonly [unknown, unknown] {
  const { Entrypoint, Cmd } = mergeConfig(HOSTNAME, containerConfig(fields), image);
  return [Entrypoint, Cmd];
}

test("a command replaces the image's, its entry point stays", () => {
  expect(command({})).toEqual([["/entry"], ["default"]]);
  expect(command({ Cmd: ["other"] })).toEqual([["/entry"], ["other"]]);
});

test("an entry point drops the image's command, an empty one drops both", () => {
  expect(command({ Entrypoint: ["/mine"] })).toEqual([["/mine"], null]);
  expect(command({ Entrypoint: [""], Cmd: ["sh"] })).toEqual([null, ["sh"]]);
  expect(command({ Entrypoint: [], Cmd: ["sh"] })).toEqual([null, ["sh"]]);
  expect(() => command({ Entrypoint: [""] })).toThrow("no command specified");
});

test("user, directory and labels of the image are defaults", () => {
  const merged = mergeConfig(HOSTNAME, containerConfig({ Labels: { b: "mine" } }), image);
  expect(merged).toMatchObject({ User: "web", WorkingDir: "/srv", Hostname: "0123456789ab" });
  expect({ ...merged.Labels }).toEqual({ a: "image", b: "mine" });
});

test("labels called like members of every object are labels", () => {
  const user = containerConfig(JSON.parse('{"Cmd":["x"],"Labels":{"__proto__":"p","constructor":"c"}}'));
  const merged = mergeConfig(HOSTNAME, user, image);
  expect(Object.keys(merged.Labels ?? {}).sort()).toEqual(["__proto__", "a", "b", "constructor"]);
});

test("mergeEnvironment() puts the user's first and lets a bare name remove the image's", () => {
  expect(mergeEnvironment(["B=1", "A"], image.Env)).toEqual(["B=1", "PATH=/bin"]);
  expect(mergeEnvironment(null, image.Env)).toEqual(["PATH=/bin", "A=image"]);
});

test("mergeHost() fills Docker's defaults", () => {
  const defaults = {
    cgroupVersion: 2,
    maskedPaths: ["/m"],
    readonlyPaths: ["/r"],
    hostname: "h",
    runtime: "gantry-runc",
    network: "bridge",
  } as const;
  const merged = mergeHost(hostConfig({ Memory: 8 << 20 }), image, defaults);
  expect(merged).toMatchObject({
    NetworkMode: "bridge",
    CgroupnsMode: "private",
    IpcMode: "private",
    ShmSize: 64 << 20,
    MemorySwap: 16 << 20,
    RestartPolicy: { Name: "no" },
    MaskedPaths: ["/m"],
    ReadonlyPaths: ["/r"],
  });
  expect(mergeHost(hostConfig({ Privileged: true }), image, defaults)).toMatchObject({
    CgroupnsMode: "private",
    MaskedPaths: null,
    ReadonlyPaths: null,
  });
  const limits = (user: Record<string, unknown>): readonly unknown[] => {
    const { PidsLimit, MemorySwappiness } = mergeHost(hostConfig(user), image, defaults);
    return [PidsLimit, MemorySwappiness];
  };
  expect(limits({ PidsLimit: 0, MemorySwappiness: -1 })).toEqual([null, null]);
  expect(limits({ PidsLimit: -1, MemorySwappiness: 0 })).toEqual([null, 0]);
  expect(limits({ PidsLimit: 7, MemorySwappiness: 60 })).toEqual([7, 60]);
});

test("defaultHostname() is the short id, or the host's name on the host's network", () => {
  const defaults = {
    cgroupVersion: 1,
    maskedPaths: [],
    readonlyPaths: [],
    hostname: "host",
    runtime: "gantry-runc",
    network: "bridge",
  } as const;
  expect(defaultHostname("f".repeat(64), hostConfig({}), defaults)).toBe("ffffffffffff");
  expect(defaultHostname("f".repeat(64), hostConfig({ NetworkMode: "host" }), defaults)).toBe("host");
  expect(defaultHostname("f".repeat(64), hostConfig({ UTSMode: "host" }), defaults)).toBe("host");
});

test("a health check that says a part has the rest of the image's", () => {
  const health = {
    Test: ["CMD", "old"],
    Interval: 9,
    Timeout: 8,
    StartPeriod: 7,
    StartInterval: 6,
    Retries: 5,
  };
  const image = containerConfig({ Cmd: ["x"], Healthcheck: health });
  const part = { Test: null, Interval: 1, Timeout: 0, StartPeriod: 0, StartInterval: 0, Retries: 0 };
  const merged = mergeConfig("h", containerConfig({ Healthcheck: part }), image);
  expect(merged.Healthcheck).toEqual({ ...health, Interval: 1 });
  expect(mergeConfig("h", containerConfig({}), image).Healthcheck).toEqual(health);
});
