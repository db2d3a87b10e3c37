import { describe, expect, test } from "bun:test";
import { decodeSpec } from "./decode.ts";
import { encodeSpec } from "./encode.ts";
import type { Spec } from "./spec.ts";

const FULL: Spec = {
  ociVersion: "1.2.0",
  process: {
    terminal: true,
    consoleSize: { height: 24, width: 80 },
    user: {
      uid: 1000,
      gid: 7,
      umask: 0o77,
      additionalGids: [7, 8],
      gantryLookup: {
        user: { kind: "name", name: "www" },
        group: { kind: "number", id: 7 },
        additionalGroups: ["audio"],
      },
    },
    args: ["sh", "-c", ""],
    env: ["A=b"],
    cwd: "/w",
    capabilities: {
      bounding: ["CAP_CHOWN"],
      effective: [],
      inheritable: [],
      permitted: ["CAP_KILL"],
      ambient: [],
    },
    rlimits: [{ type: "RLIMIT_CORE", soft: 0n, hard: 18446744073709551615n }],
    noNewPrivileges: true,
    apparmorProfile: "p",
    selinuxLabel: "l",
    oomScoreAdj: -500,
    scheduler: {
      policy: "SCHED_DEADLINE",
      nice: -20,
      priority: 0,
      flags: ["SCHED_FLAG_RECLAIM"],
      runtime: 9007199254740993n,
      deadline: 9007199254740994n,
      period: 9007199254740995n,
    },
    ioPriority: { class: "IOPRIO_CLASS_BE", priority: 7 },
    execCPUAffinity: { initial: "0-3,7", final: "" },
  },
  root: { path: "rootfs", readonly: true },
  hostname: "h",
  domainname: "d",
  mounts: [
    {
      destination: "/a",
      type: "bind",
      source: "/b",
      options: ["rbind"],
      uidMappings: [{ containerID: 0, hostID: 4294967295, size: 1 }],
      gidMappings: [],
      gantryFile: true,
    },
  ],
  hooks: { poststop: [{ path: "/h", args: ["h"], env: [], timeout: 3 }] },
  annotations: { __proto__x: "1", constructor: "2" },
  linux: {
    namespaces: [{ type: "mount" }, { type: "network", path: "/run/netns/x", gantryHost: true }],
    uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
    gidMappings: [],
    devices: [{ path: "/dev/x", type: "b", major: 8, minor: 0, fileMode: 0o600, uid: 0, gid: 6 }],
    cgroupsPath: "/gantry/x",
    resources: {
      devices: [
        { allow: false, access: "rwm" },
        { allow: true, type: "c", major: 1, minor: 3, access: "r" },
      ],
      memory: {
        limit: 9007199254740993n,
        reservation: 1n,
        swap: -1n,
        swappiness: 0,
        disableOOMKiller: false,
      },
      cpu: {
        shares: 2,
        quota: -1n,
        period: 1000,
        realtimeRuntime: 1n,
        realtimePeriod: 2,
        cpus: "0",
        mems: "0",
      },
      pids: { limit: -1n },
      blockIO: {
        weight: 10,
        throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 18446744073709551615n }],
        throttleWriteBpsDevice: [],
        throttleReadIOPSDevice: [],
        throttleWriteIOPSDevice: [],
      },
      unified: { "memory.high": "1" },
    },
    rootfsPropagation: "rslave",
    seccomp: {
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: 1,
      architectures: ["SCMP_ARCH_X86_64"],
      flags: [],
      listenerPath: "/run/agent",
      listenerMetadata: "m",
      syscalls: [
        {
          names: ["clone"],
          action: "SCMP_ACT_ALLOW",
          errnoRet: 2,
          args: [{ index: 0, value: 0x7e020000n, valueTwo: 18446744073709551615n, op: "SCMP_CMP_MASKED_EQ" }],
        },
      ],
    },
    sysctl: { "net.ipv4.ip_forward": "1" },
    maskedPaths: ["/proc/kcore"],
    readonlyPaths: [],
    mountLabel: "",
    timeOffsets: { monotonic: { secs: -9223372036854775808n, nanosecs: 999999999 }, boottime: {} },
    personality: { domain: "LINUX32" },
    netDevices: { eth1: { name: "eth0" }, eth2: {} },
  },
};

describe("decodeSpec()", () => {
  test("gets back what encodeSpec() wrote, with all 64 bits", () => {
    expect(decodeSpec(encodeSpec(FULL))).toEqual(FULL);
    expect(encodeSpec(FULL)).toContain('"hard":18446744073709551615');
  });

  test("leaves absent what is absent or null", () => {
    const spec = decodeSpec(
      '{"ociVersion":"1.0.2-dev","hostname":null,"process":{"args":null,"env":null},"linux":{}}',
    );
    expect(spec).toStrictEqual({
      ociVersion: "1.0.2-dev",
      process: { user: { uid: 0, gid: 0 }, args: [], cwd: "" },
      linux: {},
    });
  });

  test("ignores what nobody knows", () => {
    expect(decodeSpec('{"ociVersion":"1.2.0","x":1,"linux":{"y":[]}}')).toStrictEqual({
      ociVersion: "1.2.0",
      linux: {},
    });
  });

  test.each([
    ['{"ociVersion":"1.2.0","windows":{}}', '"windows" is not supported'],
    ['{"ociVersion":"1.2.0","linux":{"intelRdt":{}}}', '"linux.intelRdt" is not supported'],
    ['{"ociVersion":"1.2.0","linux":{"memoryPolicy":{}}}', '"linux.memoryPolicy" is not supported'],
    ['{"ociVersion":"1.2.0","process":{"commandLine":"cmd"}}', '"process.commandLine"'],
    ['{"ociVersion":"1.2.0","process":{"user":{"username":"u"}}}', '"process.user.username"'],
    [
      '{"ociVersion":"1.2.0","linux":{"resources":{"hugepageLimits":[]}}}',
      '"linux.resources.hugepageLimits"',
    ],
  ])("refuses by name what only others support: %s", (text, message) => {
    expect(() => decodeSpec(text)).toThrow(message);
  });

  test.each([
    ["", "invalid JSON"],
    ["[]", "must be an object"],
    ["{}", "ociVersion"],
    ['{"ociVersion":"1.2.0 or so"}', "ociVersion"],
    ['{"ociVersion":"2.0.0"}', "ociVersion"],
    ['{"ociVersion":"1.2.0","linux":{"namespaces":[{"type":"network "}]}}', 'cannot be "network "'],
    ['{"ociVersion":"1.2.0","linux":{"resources":{"memory":{"limit":1.5}}}}', "integer of 64 bits"],
    [
      '{"ociVersion":"1.2.0","linux":{"resources":{"memory":{"limit":18446744073709551616}}}}',
      "integer of 64 bits",
    ],
    ['{"ociVersion":"1.2.0","linux":{"resources":{"memory":{"limit":"1"}}}}', "integer of 64 bits"],
    ['{"ociVersion":"1.2.0","process":{"args":"sh"}}', "process.args"],
    ['{"ociVersion":"1.2.0","process":{"user":{"uid":9007199254740993}}}', "process.user.uid"],
    [`${'{"a":'.repeat(300)}1${"}".repeat(300)}`, "levels"],
  ])("refuses %s", (text, message) => {
    expect(() => decodeSpec(text)).toThrow(message);
  });
});
