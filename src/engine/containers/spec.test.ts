import { describe, expect, test } from "bun:test";
import { FACTS_V1, FACTS_V2 } from "../../linux/testing/facts.ts";
import type { Linux, Process, Spec } from "../../specs/oci-runtime/spec.ts";
import { specInput, TEST_ID } from "../testing/spec-input.ts";
import { buildSpec, checkSpecOptions, defaultMaskedPaths } from "./spec.ts";
import type { SpecInput } from "./spec-input.ts";

const NO_DEVICES = { all: [], mapped: [], numbers: new Map<string, { major: number; minor: number }>() };

const specOf = (request: object = {}, changes: Partial<SpecInput> = {}): Spec =>
  buildSpec(specInput(request, changes));
const hostSpec = (host: object, changes: Partial<SpecInput> = {}): Spec =>
  specOf({ HostConfig: host }, changes);

function processOf(spec: Spec): Process {
  if (spec.process === undefined) throw new Error("no process");
  return spec.process;
}
function linuxOf(spec: Spec): Linux {
  if (spec.linux === undefined) throw new Error("no linux");
  return spec.linux;
}
const mountAt = (spec: Spec, destination: string): unknown =>
  spec.mounts?.find((mount) => mount.destination === destination);
const types = (spec: Spec): string[] => (linuxOf(spec).namespaces ?? []).map(({ type }) => type);

describe("the environment", () => {
  test("has Docker's variables first, replaced in place", () => {
    expect(processOf(specOf({ Env: ["A=1", "PATH=/x", "A=2", "E="] })).env).toEqual([
      "PATH=/x",
      `HOSTNAME=${TEST_ID.slice(0, 12)}`,
      "A=2",
      "E=",
    ]);
  });

  test("has TERM with a terminal, and loses what is named without a value", () => {
    expect(processOf(specOf({ Tty: true, Env: ["HOSTNAME", "NOTHING"] })).env?.slice(1)).toEqual([
      "TERM=xterm",
    ]);
  });
});

describe("the process", () => {
  test("has neither inheritable nor ambient capabilities, whatever is asked", () => {
    for (const host of [{}, { Privileged: true }, { CapAdd: ["ALL"] }]) {
      const { capabilities } = processOf(hostSpec(host, { devices: NO_DEVICES }));
      expect(capabilities?.inheritable).toBeUndefined();
      expect(capabilities?.ambient).toBeUndefined();
    }
  });

  test("is looked up by a strict grammar", () => {
    const { user } = processOf(specOf({ User: "1000:www", HostConfig: { GroupAdd: ["7"] } }));
    expect(user).toEqual({
      uid: 1000,
      gid: 0,
      gantryLookup: {
        user: { kind: "number", id: 1000 },
        group: { kind: "name", name: "www" },
        additionalGroups: ["7"],
      },
    });
  });

  test("takes limits with -1 for unlimited", () => {
    const host = { Ulimits: [{ Name: "nofile", Soft: 100, Hard: -1 }] };
    expect(processOf(hostSpec(host)).rlimits).toEqual([
      { type: "RLIMIT_NOFILE", soft: 100n, hard: 0xffffffffffffffffn },
    ]);
  });

  test.each<[object, string]>([
    [{ Cmd: [] }, "no command specified"],
    [{ WorkingDir: "foo" }, "the working directory 'foo' is invalid, it needs to be an absolute path"],
    [{ User: "99999999999" }, "uids and gids must be in range 0-2147483647"],
    [{ HostConfig: { Ulimits: [{ Name: "foo", Soft: 1, Hard: 1 }] } }, "invalid ulimit type: foo"],
    [
      { HostConfig: { Ulimits: [{ Name: "nofile", Soft: 5, Hard: 3 }] } },
      "ulimit soft limit must be less than or equal to hard limit: 5 > 3",
    ],
    [{ HostConfig: { Ulimits: [{ Name: "nofile", Soft: -1, Hard: 3 }] } }, "ulimit soft limit"],
    [{ HostConfig: { OomScoreAdj: 2000 } }, "Invalid value 2000, range for oom score adj is [-1000, 1000]"],
    [{ HostConfig: { CapAdd: ["FOO"] } }, 'invalid CapAdd: unknown capability: "CAP_FOO"'],
    [{ HostConfig: { SecurityOpt: ["seccomp="] } }, "invalid --security-opt"],
  ])("of %j is refused in Docker's words, at creation and at the start", (request, message) => {
    expect(() => specOf(request)).toThrow(message);
    const { config, host } = specInput(request);
    expect(() => checkSpecOptions(config, host, FACTS_V1)).toThrow(message);
  });
});

describe("namespaces", () => {
  test("are all new but the cgroup's, which v2 has, too", () => {
    expect(types(specOf()).sort()).toEqual(["ipc", "mount", "network", "pid", "uts"]);
    expect(types(specOf({}, { facts: FACTS_V2 }))).toContain("cgroup");
    expect(types(hostSpec({ Privileged: true }, { facts: FACTS_V2, devices: NO_DEVICES }))).toContain(
      "cgroup",
    );
    expect(types(hostSpec({ CgroupnsMode: "host" }, { facts: FACTS_V2 }))).not.toContain("cgroup");
    expect(types(hostSpec({ CgroupnsMode: "private" }))).toContain("cgroup");
  });

  test("of the host are left out by name", () => {
    const spec = hostSpec({ NetworkMode: "host", PidMode: "host", IpcMode: "host", UTSMode: "host" });
    expect(types(spec)).toEqual(["mount"]);
    expect(spec.hostname).toBeUndefined();
    expect(mountAt(spec, "/dev/shm")).toMatchObject({ type: "bind", source: "/dev/shm" });
    expect(linuxOf(spec).sysctl).toEqual({});
  });

  test("of others are joined by path", () => {
    const spec = hostSpec(
      { NetworkMode: "container:x", PidMode: "container:y" },
      { network: { kind: "path", path: "/proc/7/ns/net" }, join: { pid: "/proc/8/ns/pid" } },
    );
    expect(linuxOf(spec).namespaces).toContainEqual({ type: "network", path: "/proc/7/ns/net" });
    expect(linuxOf(spec).namespaces).toContainEqual({ type: "pid", path: "/proc/8/ns/pid" });
    expect(linuxOf(spec).sysctl).toEqual({});
    expect(() => hostSpec({ PidMode: "container:y" })).toThrow('PID mode "container:y": nobody has looked');
    expect(() => hostSpec({ IpcMode: "container:y" })).toThrow('IPC mode "container:y": nobody has looked');
  });

  test("of another's IPC come with its shared memory, unless something else is mounted there", () => {
    const join = { ipc: { path: "/proc/9/ns/ipc", mount: "/proc/9/ns/mnt" } };
    const spec = hostSpec({ IpcMode: "container:x" }, { join });
    expect(linuxOf(spec).namespaces).toContainEqual({ type: "ipc", path: "/proc/9/ns/ipc" });
    expect(mountAt(spec, "/dev/shm")).toEqual({
      destination: "/dev/shm",
      type: "bind",
      source: "/dev/shm",
      options: ["bind", "rprivate"],
      gantryElsewhere: "/proc/9/ns/mnt",
    });
    const own = { kind: "tmpfs", destination: "/dev/shm", options: [] } as const;
    expect(mountAt(hostSpec({ IpcMode: "container:x" }, { join, mounts: [own] }), "/dev/shm")).toMatchObject({
      type: "tmpfs",
    });
  });
});

describe("users of one's own", () => {
  const idMaps = {
    uidMappings: [{ containerID: 0, hostID: 100_000, size: 65_536 }],
    gidMappings: [
      { containerID: 0, hostID: 200_000, size: 1000 },
      { containerID: 1000, hostID: 300_000, size: 10 },
    ],
  };

  test("are a user namespace with its mappings", () => {
    const linux = linuxOf(hostSpec({}, { idMaps }));
    expect(linux.namespaces).toContainEqual({ type: "user" });
    expect(linux).toMatchObject(idMaps);
    expect(types(hostSpec({}))).not.toContain("user");
    expect(linuxOf(hostSpec({})).uidMappings).toBeUndefined();
  });

  test("are those of the container whose namespaces are shared", () => {
    const join = { user: "/proc/8/ns/user" };
    expect(linuxOf(hostSpec({}, { idMaps, join })).namespaces).toContainEqual({
      type: "user",
      path: "/proc/8/ns/user",
    });
  });

  test("may ping as far as the mapping goes", () => {
    const groups = (changes: Partial<SpecInput>): unknown =>
      linuxOf(hostSpec({}, changes)).sysctl?.["net.ipv4.ping_group_range"];
    expect(groups({ idMaps })).toBe("0 999");
    expect(groups({})).toBe("0 2147483647");
  });
});

describe("sysctls", () => {
  test("let a container with its own network open low ports and ping", () => {
    expect(linuxOf(hostSpec({ Sysctls: { "net.ipv4.ip_unprivileged_port_start": "80" } })).sysctl).toEqual({
      "net.ipv4.ip_unprivileged_port_start": "80",
      "net.ipv4.ping_group_range": "0 2147483647",
    });
  });

  test.each<[object, string]>([
    [
      { Sysctls: { "kernel.core_pattern": "|/x" } },
      'sysctl "kernel.core_pattern" is not in a separate kernel namespace',
    ],
    [
      { NetworkMode: "host", Sysctls: { "net.ipv4.ip_forward": "1" } },
      'sysctl "net.ipv4.ip_forward" not allowed in host network namespace',
    ],
    [
      { IpcMode: "host", Sysctls: { "kernel.sem": "1" } },
      'sysctl "kernel.sem" is not allowed in the hosts ipc namespace',
    ],
    [{ Sysctls: { "kernel.shm_rmid_forced": "1\nkernel.core_pattern=x" } }, "more than one line"],
  ])("of %j are refused", (host, message) => {
    expect(() => hostSpec(host)).toThrow(message);
    const { config, host: decoded } = specInput({ HostConfig: host });
    expect(() => checkSpecOptions(config, decoded, FACTS_V1)).toThrow(message);
  });
});

describe("what is hidden of the host", () => {
  test("is more with more processors, and nothing for who asks", () => {
    const facts = { ...FACTS_V1, thermalThrottlePaths: ["/sys/devices/system/cpu/cpu0/thermal_throttle"] };
    expect(linuxOf(specOf({}, { facts })).maskedPaths).toEqual(defaultMaskedPaths(facts));
    expect(defaultMaskedPaths(facts)).toHaveLength(14);
    for (const host of [
      { Privileged: true },
      { SecurityOpt: ["systempaths=unconfined"] },
      { MaskedPaths: [], ReadonlyPaths: [] },
    ]) {
      const linux = linuxOf(hostSpec(host, { devices: NO_DEVICES }));
      expect([linux.maskedPaths, linux.readonlyPaths]).toEqual([[], []]);
    }
    expect(linuxOf(hostSpec({ MaskedPaths: ["/proc/x"] })).maskedPaths).toEqual(["/proc/x"]);
  });
});

describe("seccomp", () => {
  test("is Docker's default profile, none when privileged, the user's own in any case", () => {
    const own = 'seccomp={"defaultAction":"SCMP_ACT_LOG"}';
    expect(linuxOf(specOf()).seccomp?.syscalls?.[0]?.names).toHaveLength(361);
    expect(linuxOf(hostSpec({ Privileged: true }, { devices: NO_DEVICES })).seccomp).toBeUndefined();
    expect(linuxOf(hostSpec({ SecurityOpt: ["seccomp=unconfined"] })).seccomp).toBeUndefined();
    expect(
      linuxOf(hostSpec({ Privileged: true, SecurityOpt: [own] }, { devices: NO_DEVICES })).seccomp
        ?.defaultAction,
    ).toBe("SCMP_ACT_LOG");
    expect(
      linuxOf(hostSpec({ Privileged: true, SecurityOpt: ["seccomp=builtin"] }, { devices: NO_DEVICES }))
        .seccomp,
    ).toBeDefined();
  });

  test("keeps the files of a container that is limited in their project", () => {
    const refused = (input: Partial<SpecInput>): readonly unknown[] =>
      (linuxOf(specOf({}, input)).seccomp?.syscalls ?? []).filter(
        ({ names, errnoRet }) => names.includes("ioctl") && errnoRet !== undefined,
      );
    expect(refused({})).toEqual([]);
    expect(refused({ isSized: true })).toHaveLength(3);
  });

  test("follows the capabilities", () => {
    const calls = (host: object): string[] =>
      (linuxOf(hostSpec(host)).seccomp?.syscalls ?? []).flatMap(({ names }) => names);
    expect(calls({})).not.toContain("mount");
    expect(calls({ CapAdd: ["SYS_ADMIN"] })).toContain("mount");
  });

  test("is left out where the kernel has none, unless it was asked for by name", () => {
    const facts = { ...FACTS_V1, seccomp: false };
    expect(linuxOf(specOf({}, { facts })).seccomp).toBeUndefined();
    expect(linuxOf(hostSpec({ SecurityOpt: ["seccomp=builtin"] }, { facts })).seccomp).toBeDefined();
  });
});

describe("mounts", () => {
  const bind = {
    kind: "bind",
    source: "/s",
    readOnly: false,
    recursiveReadOnly: false,
    recursive: true,
    propagation: "rprivate",
    isDirectory: true,
  } as const;

  test("of the user take the place of default ones", () => {
    const spec = specOf({}, { mounts: [{ ...bind, destination: "/dev/shm" }] });
    expect(spec.mounts?.filter(({ destination }) => destination === "/dev/shm")).toHaveLength(1);
    expect(mountAt(spec, "/dev/shm")).toMatchObject({ type: "bind" });
  });

  test("on /dev leave nothing of ours in it", () => {
    const spec = specOf({}, { mounts: [{ ...bind, destination: "/dev" }] });
    expect(spec.mounts?.filter(({ destination }) => destination.startsWith("/dev"))).toHaveLength(1);
  });

  test("come behind the directories they are in", () => {
    const mounts = ["/a/b/c", "/etc", "/a"].map((destination) => ({ ...bind, destination }));
    const order = specOf({}, { mounts }).mounts?.map(({ destination }) => destination) ?? [];
    expect(order.slice(7)).toEqual([
      "/etc",
      "/a",
      "/etc/resolv.conf",
      "/etc/hostname",
      "/etc/hosts",
      "/a/b/c",
    ]);
  });

  test("that are to receive or send events make the root do so", () => {
    const propagation = (...wishes: string[]): string | undefined =>
      linuxOf(
        specOf(
          {},
          { mounts: wishes.map((wish, i) => ({ ...bind, destination: `/m${i}`, propagation: wish })) },
        ),
      ).rootfsPropagation;
    expect([
      propagation(),
      propagation("rprivate"),
      propagation("rslave"),
      propagation("slave", "rshared"),
    ]).toEqual([undefined, undefined, "rslave", "shared"]);
  });

  test("of shared memory have the size asked for, or are not there", () => {
    expect(mountAt(hostSpec({ ShmSize: 1 << 20 }), "/dev/shm")).toMatchObject({
      options: expect.arrayContaining(["size=1048576"]),
    });
    expect(mountAt(hostSpec({ ShmSize: 0 }), "/dev/shm")).toMatchObject({
      options: expect.arrayContaining(["size=67108864"]),
    });
    expect(mountAt(hostSpec({ IpcMode: "none" }), "/dev/shm")).toBeUndefined();
  });

  test("of the kernel are read-only unless privileged", () => {
    for (const path of ["/sys", "/sys/fs/cgroup"]) {
      expect(mountAt(specOf(), path)).toMatchObject({ options: expect.arrayContaining(["ro"]) });
      expect(
        mountAt(hostSpec({ Privileged: true, ReadonlyRootfs: true }, { devices: NO_DEVICES }), path),
      ).not.toMatchObject({ options: expect.arrayContaining(["ro"]) });
    }
  });
});

describe("limits", () => {
  test("are zero for not asked", () => {
    expect(linuxOf(specOf()).resources).toMatchObject({ memory: {}, cpu: {} });
    expect(linuxOf(specOf()).resources?.pids).toBeUndefined();
  });

  test.each<[object, object]>([
    [{ Memory: 100 }, { memory: { limit: 100n, swap: 200n } }],
    [
      { Memory: 100, MemorySwap: 150, MemorySwappiness: 0 },
      { memory: { limit: 100n, swap: 150n, swappiness: 0 } },
    ],
    [
      { Memory: 100, MemorySwap: -1, OomKillDisable: true },
      { memory: { limit: 100n, disableOOMKiller: true } },
    ],
    [{ NanoCpus: 1_500_000_000 }, { cpu: { quota: 150000n, period: 100000 } }],
    [{ CpuQuota: -1, CpuPeriod: 50000 }, { cpu: { quota: -1n, period: 50000 } }],
    [{ PidsLimit: -1 }, { pids: { limit: -1n } }],
    [{ PidsLimit: 50 }, { pids: { limit: 50n } }],
  ])("of %j are Docker's", (host, resources) => {
    expect(linuxOf(hostSpec(host)).resources).toMatchObject(resources);
  });

  test("of unlimited swap say nothing: a fresh cgroup has none", () => {
    expect(linuxOf(hostSpec({ Memory: 100, MemorySwap: -1 })).resources?.memory).toEqual({ limit: 100n });
  });

  test("of shares below zero are refused", () => {
    expect(() => hostSpec({ CpuShares: -5 })).toThrow("shares: invalid argument");
  });
});

describe("the cgroup", () => {
  test("is read-only for who has no more rights, unless it is to be writable", () => {
    const options = (host: object) => mountAt(hostSpec(host, { devices: NO_DEVICES }), "/sys/fs/cgroup");
    expect(options({})).toMatchObject({ options: ["ro", "nosuid", "noexec", "nodev"] });
    const writable = { options: ["nosuid", "noexec", "nodev"] };
    expect(options({ SecurityOpt: ["writable-cgroups=true"] })).toMatchObject(writable);
    expect(options({ Privileged: true })).toMatchObject(writable);
  });

  test.each([
    ["", `/gantry/${TEST_ID}`],
    ["/teams/a", `/teams/a/${TEST_ID}`],
    ["teams", `/teams/${TEST_ID}`],
    ["my.slice", `/my.slice/${TEST_ID}`],
  ])("below %j is %s", (CgroupParent, path) => {
    expect(linuxOf(hostSpec({ CgroupParent })).cgroupsPath).toBe(path);
  });

  test.each([
    ["", "system.slice"],
    ["teams-a.slice", "teams-a.slice"],
  ])("of systemd's: below %j it is a scope of %s", (CgroupParent, slice) => {
    const spec = hostSpec({ CgroupParent }, { cgroupDriver: "systemd" });
    expect(linuxOf(spec).cgroupsPath).toBe(`${slice}:gantry:${TEST_ID}`);
  });

  test.each([
    ["/teams", "should be a valid slice"],
    [".slice", "should be a valid slice"],
    ["a/b.slice", "is not the name of a slice"],
    ["../b.slice", "is not the name of a slice"],
    ["a:b.slice:c.slice", "is not the name of a slice"],
  ])("of systemd's: below %j is refused", (CgroupParent, message) => {
    const { config, host } = specInput({ HostConfig: { CgroupParent } });
    expect(() => checkSpecOptions(config, host, FACTS_V1, "systemd")).toThrow(message);
  });

  test.each(["../x", "/a/../b", "/..", "a\nb", "a b", "/x/.", "x".repeat(300), "/a".repeat(30)])(
    "below %j is refused",
    (CgroupParent) => {
      expect(() => hostSpec({ CgroupParent })).toThrow("invalid cgroup parent");
      const { config, host } = specInput({ HostConfig: { CgroupParent } });
      expect(() => checkSpecOptions(config, host, FACTS_V1)).toThrow("invalid cgroup parent");
    },
  );
});

describe("devices", () => {
  const fuse = {
    path: "/dev/fuse",
    type: "c",
    major: 10,
    minor: 229,
    fileMode: 0o666,
    uid: 0,
    gid: 0,
  } as const;

  test("are denied but for a few", () => {
    const rules = linuxOf(specOf()).resources?.devices ?? [];
    expect(rules[0]).toEqual({ allow: false, access: "rwm" });
    expect(rules.filter(({ allow }) => allow).map(({ major, minor }) => `${major}:${minor}`)).toEqual([
      "1:5",
      "1:3",
      "1:9",
      "1:8",
      "5:0",
      "5:1",
    ]);
  });

  test("that are asked for are made and allowed", () => {
    const linux = linuxOf(
      hostSpec(
        { Devices: [{ PathOnHost: "/dev/fuse" }], DeviceCgroupRules: ["c 42:* rmw", "a *:* r"] },
        {
          devices: { ...NO_DEVICES, mapped: [{ node: fuse, access: "rw" }] },
        },
      ),
    );
    expect(linux.devices).toEqual([fuse]);
    expect(linux.resources?.devices?.slice(-3)).toEqual([
      { allow: true, type: "c", major: 10, minor: 229, access: "rw" },
      { allow: true, type: "c", major: 42, access: "rmw" },
      { allow: true, type: "a", access: "r" },
    ]);
  });

  test("are all there for a privileged container", () => {
    const linux = linuxOf(hostSpec({ Privileged: true }, { devices: { ...NO_DEVICES, all: [fuse] } }));
    expect(linux.devices).toEqual([fuse]);
    expect(linux.resources?.devices).toEqual([{ allow: true, access: "rwm" }]);
  });

  test("have their weights of block I/O by number", () => {
    const numbers = new Map([["/dev/x", { major: 8, minor: 1 }]]);
    const host = { BlkioWeightDevice: [{ Path: "/dev/x", Weight: 300 }] };
    const { resources } = linuxOf(hostSpec(host, { devices: { ...NO_DEVICES, numbers } }));
    expect(resources?.blockIO?.weightDevice).toEqual([{ major: 8, minor: 1, weight: 300 }]);
  });

  test("that nobody looked up are an error, not left out", () => {
    expect(() => hostSpec({ Privileged: true })).toThrow("not looked up");
    expect(() => hostSpec({ Devices: [{ PathOnHost: "/dev/fuse" }] })).toThrow("not looked up");
    expect(() => hostSpec({ BlkioDeviceReadBps: [{ Path: "/dev/x", Rate: 1 }] })).toThrow("not looked up");
  });

  test.each<[object, string]>([
    [{ DeviceCgroupRules: ["foo"] }, "invalid device cgroup rule format: 'foo'"],
    [{ DeviceCgroupRules: ["c 1:3 rwx"] }, "invalid device cgroup rule format"],
  ])("of %j are refused", (host, message) => {
    expect(() => hostSpec(host)).toThrow(message);
  });
});

test("keys that mean something to JavaScript are ordinary keys", () => {
  const request: unknown = JSON.parse('{"HostConfig":{"Annotations":{"__proto__":"x","constructor":"y"}}}');
  const { annotations } = specOf(Object(request));
  expect(Object.entries(annotations ?? {})).toEqual([
    ["__proto__", "x"],
    ["constructor", "y"],
  ]);
  const env = processOf(specOf({ Env: ["__proto__=1", "constructor=2"] })).env ?? [];
  expect(env.slice(-2)).toEqual(["__proto__=1", "constructor=2"]);
});
