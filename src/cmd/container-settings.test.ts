import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ContainerDefaults } from "../engine/containers/container-defaults.ts";
import { checkCgroupDriver } from "./cgroup-driver.ts";
import { decodeDaemonConfig } from "./daemon-config.ts";
import { daemonOptions, parseDaemonFlags } from "./daemon-options.ts";
import { readSeccomp } from "./seccomp-file.ts";

const directory = mkdtempSync(join(tmpdir(), "gantry-seccomp-"));
afterAll(() => rmSync(directory, { recursive: true }));

function defaultsOf(words: readonly string[], document: object = {}): ContainerDefaults {
  const flags = parseDaemonFlags(words);
  if (typeof flags === "string") throw new Error(flags);
  return daemonOptions(flags, decodeDaemonConfig(JSON.stringify(document))).containers;
}

const EVERYTHING = {
  ipcMode: "shareable",
  cgroupnsMode: "private",
  shmSizeBytes: 1 << 20,
  ulimits: [
    { Name: "nofile", Soft: 1024, Hard: 2048 },
    { Name: "nproc", Soft: -1, Hard: -1 },
  ],
  init: true,
  cgroupDriver: "cgroupfs",
  cgroupParent: "/all",
  noNewPrivileges: true,
  seccomp: "/p.json",
} as const;

test("every flag", () => {
  const words = [
    ..."--default-ipc-mode shareable --default-cgroupns-mode=private --default-shm-size 1M --init".split(" "),
    ..."--default-ulimit nofile=1024:2048 --default-ulimit nproc=-1 --cgroup-parent /all".split(" "),
    ..."--no-new-privileges --seccomp-profile /p.json".split(" "),
  ];
  expect(defaultsOf(words)).toEqual(EVERYTHING);
});

test("every key", () => {
  const document = {
    "default-ipc-mode": "shareable",
    "default-cgroupns-mode": "private",
    "default-shm-size": "1M",
    "default-ulimits": {
      nofile: { Name: "nofile", Soft: 1024, Hard: 2048 },
      nproc: { Soft: -1, Hard: -1 },
    },
    init: true,
    "cgroup-parent": "/all",
    "no-new-privileges": true,
    "seccomp-profile": "/p.json",
  };
  expect(defaultsOf([], document)).toEqual(EVERYTHING);
  expect(defaultsOf([], { "default-shm-size": 4096 }).shmSizeBytes).toBe(4096);
  expect(() => defaultsOf(["--init"], document)).toThrow("init: (from flag: true, from file: true)");
});

test.each<[object, string]>([
  [{ "default-ipc-mode": "host" }, 'IPC mode "host" is not supported as default value'],
  [{ "default-ipc-mode": "x" }, 'default IPC mode setting (x) is invalid; use "shareable" or "private"'],
  [{ "default-cgroupns-mode": "x" }, 'default cgroup namespace mode (x) is invalid; use "host" or "private"'],
  [{ "default-shm-size": "much" }, '"default-shm-size" must be a size, not "much"'],
  [{ "default-shm-size": 0 }, '"default-shm-size" must be a size, not 0'],
  [{ "default-ulimits": { nofile: { Name: "nproc", Soft: 1, Hard: 1 } } }, 'is called "nproc" within'],
  [{ "default-ulimits": { files: { Soft: 1, Hard: 1 } } }, "invalid ulimit type: files"],
  [{ "default-ulimits": { nofile: { Soft: 2, Hard: 1 } } }, "soft limit must be less than or equal"],
  [{ init: "yes" }, '"init" must be true or false'],
  [{ "init-path": "/usr/bin/tini" }, "init-path is not supported: the init of containers is a part"],
  [{ experimental: true }, "experimental is not supported: there is nothing experimental"],
  [{ "node-generic-resources": ["a=1"] }, "node-generic-resources is not supported: there are no swarms"],
  [{ "exec-opts": ["native.cgroupdriver=none"] }, "is internally used and cannot be specified manually"],
  [
    { "exec-opts": ["native.cgroupdriver=systemd"], "cgroup-parent": "/all" },
    'cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"',
  ],
  [{ "exec-opts": ["native.cgroupdriver=x"] }, "native.cgroupdriver option x not supported"],
  [{ "exec-opts": ["a=b"] }, 'unknown exec option "a=b"'],
  [{ features: { buildkit: true } }, "features.buildkit is not supported: there is no builder"],
  [{ features: { fancy: true } }, 'unknown feature "fancy"'],
])("%j is refused", (document, message) => {
  expect(() => defaultsOf([], document)).toThrow(message);
});

test("what is said not to be wanted, and is not there, is accepted", () => {
  const document = {
    experimental: false,
    "selinux-enabled": false,
    rootless: false,
    "raw-logs": true,
    "exec-opts": ["native.cgroupdriver=cgroupfs"],
    features: { "containerd-snapshotter": false, buildkit: false },
  };
  expect(defaultsOf([], document)).toEqual(defaultsOf([]));
  const words = ["--experimental=false", "--raw-logs", "--exec-opt", "native.cgroupdriver=cgroupfs"];
  expect(defaultsOf([...words, "--feature", "buildkit=false"])).toEqual(defaultsOf([]));
  expect(() => defaultsOf(["--selinux-enabled"])).toThrow("--selinux-enabled is not supported");
  expect(() => defaultsOf(["--node-generic-resource", "a=1"])).toThrow("there are no swarms");
  expect(() => defaultsOf(["--default-ulimit", "nofile"])).toThrow(
    'invalid argument "nofile" for "--default-ulimit" flag: invalid ulimit argument: nofile',
  );
});

test("exec-opts tells who makes cgroups: the first counts, and systemd needs a host that it runs", () => {
  const driver = (...options: string[]): string =>
    defaultsOf([], { "exec-opts": options, "cgroup-parent": "all.slice" }).cgroupDriver;
  expect(driver()).toBe("cgroupfs");
  expect(driver("native.cgroupdriver=")).toBe("cgroupfs");
  expect(driver("native.cgroupdriver=systemd", "native.cgroupdriver=cgroupfs")).toBe("systemd");
  expect(defaultsOf(["--exec-opt", "native.cgroupdriver=systemd"]).cgroupDriver).toBe("systemd");
  expect(() => defaultsOf(["--exec-opt", "native.cgroupdriver=x"])).toThrow("option x not supported");
  expect(() => checkCgroupDriver("systemd", false)).toThrow("systemd not running on this host");
  checkCgroupDriver("systemd", true);
  checkCgroupDriver("cgroupfs", false);
});

test("a seccomp profile is read and looked at before there are containers", () => {
  const path = join(directory, "profile.json");
  expect(readSeccomp("unconfined")).toBe("unconfined");
  expect(() => readSeccomp(path)).toThrow(
    `opening seccomp profile (${path}) failed: open ${path}: no such file or directory`,
  );
  writeFileSync(path, '{"defaultAction": "SCMP_ACT_ALLOW"}');
  expect(readSeccomp(path)).toContain("SCMP_ACT_ALLOW");
  writeFileSync(path, "{");
  expect(() => readSeccomp(path)).toThrow("decoding seccomp profile failed");
});
