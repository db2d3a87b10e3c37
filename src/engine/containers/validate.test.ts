import { expect, test } from "bun:test";
import { containerConfig, hostConfig } from "../testing/host-config.ts";
import { chooseRuntimes } from "./runtimes.ts";
import { validateCreate } from "./validate.ts";

const RUNTIMES = chooseRuntimes(new Map([["crun", { path: "/usr/bin/crun", args: [] }]]), "");

function validate(host: Record<string, unknown>, config: Record<string, unknown> = {}): readonly string[] {
  const merged = containerConfig({ Cmd: ["sh"], ...config });
  return validateCreate(
    merged,
    merged,
    hostConfig({ NetworkMode: "none", ...host }),
    { cpuCount: 2 },
    RUNTIMES,
  );
}

test("values out of range are refused with Docker's words", () => {
  const refused: readonly (readonly [Record<string, unknown>, string])[] = [
    [{ Memory: 5 }, "Minimum memory limit allowed is 6MB"],
    [{ MemorySwap: 5 }, "You should always set the Memory limit when using Memoryswap limit, see usage"],
    [
      { Memory: 1e8, MemorySwap: 5 },
      "Minimum memoryswap limit should be larger than memory limit, see usage",
    ],
    [
      { Memory: 1e8, MemoryReservation: 2e8 },
      "Minimum memory limit can not be less than memory reservation limit, see usage",
    ],
    [{ MemorySwappiness: 200 }, "Invalid value: 200, valid memory swappiness range is 0-100"],
    [{ OomScoreAdj: 2000 }, "Invalid value 2000, range for oom score adj is [-1000, 1000]"],
    [{ NanoCpus: 3e9 }, "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"],
    [{ NanoCpus: 1e9, CpuQuota: 2000 }, "Conflicting options: Nano CPUs and CPU Quota cannot both be set"],
    [{ CpuPeriod: 1 }, "CPU cfs period can not be less than 1ms"],
    [{ CpuQuota: 1 }, "CPU cfs quota can not be less than 1ms (i.e. 1000)"],
    [{ CpuRealtimeRuntime: -1 }, "invalid real-time limit -1"],
    [
      { CpuRealtimePeriod: 1000, CpuRealtimeRuntime: 2000 },
      "cpu real-time runtime cannot be higher than cpu real-time period",
    ],
    [{ CpusetCpus: "x" }, "Invalid value x for cpuset cpus: invalid format: x"],
    [{ CpusetCpus: "0-99" }, "Requested CPUs are not available - requested 0-99, available: 0-1"],
    [{ ShmSize: -1 }, "SHM size can not be less than 0"],
    [{ PidMode: "foo" }, "invalid PID mode: foo"],
    [{ IpcMode: "foo" }, "invalid IPC mode: foo"],
    [{ UTSMode: "foo" }, "invalid UTS mode: foo"],
    [{ CgroupnsMode: "foo" }, "invalid cgroup namespace mode: foo"],
    [{ Isolation: "foo" }, "Invalid isolation: \"foo\" - linux only supports 'default'"],
    [{ Runtime: "foo" }, "unknown or invalid runtime name: foo"],
    [
      { AutoRemove: true, RestartPolicy: { Name: "always" } },
      "can't create 'AutoRemove' container with restart policy",
    ],
    [
      { RestartPolicy: { Name: "always", MaximumRetryCount: 2 } },
      "maximum retry count can only be used with 'on-failure'",
    ],
    [{ ExtraHosts: ["foo"] }, 'bad format for add-host: "foo"'],
    [{ ExtraHosts: ["a:1.2.3.4\n6.6.6.6 bank"] }, "bad format for add-host"],
    [{ ExtraHosts: ["a:1.2.3"] }, "invalid IP address in add-host"],
    [{ Dns: ["1.1.1.1\nx"] }, "bad nameserver address"],
    [{ DnsSearch: ["a b"] }, "invalid DNS search domain"],
    [{ Annotations: { "": "x" } }, "the empty string is not permitted as an annotation key"],
  ];
  for (const [host, message] of refused) expect(() => validate(host), JSON.stringify(host)).toThrow(message);
});

test("real-time limits need a kernel that has them", () => {
  const config = containerConfig({ Cmd: ["sh"] });
  const host = hostConfig({ NetworkMode: "none", CpuRealtimePeriod: 1000 });
  const facts = { cpuCount: 2, missingLimits: new Set(["cpu-realtime"] as const) };
  expect(() => validateCreate(config, config, host, facts, RUNTIMES)).toThrow(
    "kernel does not support CPU real-time scheduler",
  );
  expect(validate({ CpuRealtimePeriod: 1000, CpuRealtimeRuntime: 1000 })).toEqual([]);
});

test("what a process is given is checked", () => {
  const refused: readonly (readonly [Record<string, unknown>, string])[] = [
    [{ WorkingDir: "foo" }, "the working directory 'foo' is invalid, it needs to be an absolute path"],
    [{ Env: ["=x"] }, "invalid environment variable: =x"],
    [{ StopSignal: "foo" }, "invalid signal: foo"],
    [{ Cmd: ["a\0b"] }, "a NUL byte is not allowed"],
    [{ Hostname: "a b" }, "invalid hostname"],
    [{ Hostname: "a".repeat(65) }, "invalid hostname"],
  ];
  for (const [config, message] of refused) expect(() => validate({}, config)).toThrow(message);
  expect(() => validate({ UTSMode: "host" }, { Hostname: "x" })).toThrow(
    "conflicting options: hostname and the UTS mode",
  );
});

test("what is changed silently elsewhere is a warning here", () => {
  expect(validate({})).toEqual([]);
  expect(validate({ NetworkMode: "host", PortBindings: { "80/tcp": [] } })).toEqual([
    "Published ports are discarded when using host network mode",
  ]);
  expect(validate({ OomKillDisable: true })[0]).toContain("OOM killer is disabled for the container");
});
