import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LinuxResources } from "../specs/oci-runtime/resources.ts";
import { parseFlags } from "./flags.ts";
import { UPDATE_FLAGS, resourcesFrom } from "./update-resources.ts";

const directory = mkdtempSync(join(tmpdir(), "gantry-update-"));
afterAll(() => rmSync(directory, { recursive: true }));

const from = (...words: string[]): LinuxResources =>
  resourcesFrom(parseFlags(words, UPDATE_FLAGS, true).flags, directory);

describe("resourcesFrom()", () => {
  test.each<[string, LinuxResources]>([
    ["", {}],
    ["--memory 64m", { memory: { limit: 67108864n } }],
    ["--memory -1", { memory: { limit: -1n, swap: -1n } }],
    ["--memory -1 --memory-swap 1g", { memory: { limit: -1n, swap: 1073741824n } }],
    ["--memory-reservation 1048576", { memory: { reservation: 1048576n } }],
    [
      "--cpu-quota -1 --cpu-period 100000 --cpu-share 512 --cpu-burst 10",
      { cpu: { shares: 512, quota: -1n, burst: 10, period: 100000 } },
    ],
    ["--cpu-rt-runtime 5 --cpu-rt-period 7", { cpu: { realtimeRuntime: 5n, realtimePeriod: 7 } }],
    ["--cpuset-cpus 0-1 --cpuset-mems 0 --cpu-idle 1", { cpu: { cpus: "0-1", mems: "0", idle: 1 } }],
    ["--pids-limit 20", { pids: { limit: 20n } }],
    ["--pids-limit -1", { pids: { limit: -1n } }],
    ["--pids-limit 0 --blkio-weight 0", {}],
    ["--blkio-weight 100", { blockIO: { weight: 100 } }],
    ["--kernel-memory 5 --kernel-memory-tcp 5", {}],
  ])("%s", (words, expected) => {
    expect(from(...words.split(" ").filter(Boolean))).toEqual(expected);
  });

  test.each([
    ["--memory", "lots"],
    ["--cpu-quota", "1.5"],
    ["--cpu-share", "-1"],
    ["--cpu-period", "x"],
  ])("refuses %s %s", (flag, value) => {
    expect(() => from(flag, value)).toThrow(`invalid value for ${flag.slice(2)}: ${JSON.stringify(value)}`);
  });

  test("a file has the last word, and names the field that is wrong", () => {
    writeFileSync(join(directory, "good.json"), '{"memory":{"limit":5000000},"pids":{"limit":3}}');
    expect(from("-r", "good.json", "--memory", "1g")).toEqual({
      memory: { limit: 5000000n },
      pids: { limit: 3n },
    });
    writeFileSync(join(directory, "bad.json"), '{"memory":{"limit":"5"}}');
    expect(() => from("-r", "bad.json")).toThrow("memory.limit");
    expect(() => from("-r", "missing.json")).toThrow("ENOENT");
  });

  test("a class of service is no resource", () => {
    expect(from("--l3-cache-schema", "L3:0=f", "--mem-bw-schema", "MB:0=20")).toEqual({});
  });
});
