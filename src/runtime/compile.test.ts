import { describe, expect, test } from "bun:test";
import { isCategory } from "../base/errors.ts";
import type { HostFacts } from "../linux/host-facts.ts";

import { MOUNT_ATTR, PROPAGATION } from "../linux/mount-options.ts";
import { CLONE_NEW } from "../linux/namespaces.ts";
import { FACTS_V1, FACTS_V1_TOGETHER, FACTS_V2 } from "../linux/testing/facts.ts";
import type { Linux, Process, Spec, SpecMount } from "../specs/oci-runtime/spec.ts";
import { compile, compileExec } from "./compile.ts";
import { encodePlan } from "./plan-codec.ts";
import type { Plan, PlanOp, PlanOpKind } from "./plan.ts";

const PROCESS: Process = { user: { uid: 0, gid: 0 }, args: ["true"], cwd: "/" };
const SPEC: Spec = { ociVersion: "1.2.0", process: PROCESS, linux: { namespaces: [{ type: "mount" }] } };

function planOf(spec: Spec, facts: HostFacts = FACTS_V1): Plan {
  return compile({
    spec,
    rootfs: { kind: "bind", source: "/b/rootfs" },
    staging: "/run/staging",
    taskId: "t1",
    facts,
    init: false,
  });
}

const withProcess = (process: Partial<Process>): Spec => ({ ...SPEC, process: { ...PROCESS, ...process } });
const withLinux = (linux: Partial<Linux>): Spec => ({ ...SPEC, linux: { ...SPEC.linux, ...linux } });
const withMount = (...mounts: SpecMount[]): Spec => ({ ...SPEC, mounts });
const kinds = (plan: Plan): PlanOpKind[] => plan.ops.map(({ kind }) => kind);

function only<K extends PlanOpKind>(plan: Plan, kind: K): Extract<PlanOp, { kind: K }> {
  const found = plan.ops.filter((op): op is Extract<PlanOp, { kind: K }> => op.kind === kind);
  const [op] = found;
  if (op === undefined || found.length > 1) throw new Error(`${found.length} ops of kind ${kind}`);
  return op;
}

describe("the order of a plan", () => {
  const OWN = ["mount", "pid", "network", "ipc", "uts", "cgroup"] as const;
  const full: Spec = {
    ...withLinux({
      namespaces: OWN.map((type) => ({ type })),
      sysctl: { "kernel.sem": "1" },
      maskedPaths: ["/proc/kcore"],
      seccomp: { defaultAction: "SCMP_ACT_ALLOW" },
    }),
    process: { ...PROCESS, terminal: true },
    hostname: "h",
  };

  const before = (plan: Plan, ...order: PlanOpKind[]): void => {
    const places = order.map((kind) => kinds(plan).indexOf(kind));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  };

  test("joins cgroups before their namespace is made, and mounts after propagation is settled", () => {
    before(
      planOf(full),
      "cgroup-create",
      "cgroup-join",
      "unshare",
      "propagation",
      "root-bind",
      "device",
      "mask",
      "console",
      "pivot",
    );
  });

  test("sets up namespaces behind the pivot, and gives up privileges last", () => {
    before(
      planOf(full),
      "pivot",
      "hostname",
      "loopback-up",
      "sysctl",
      "umask",
      "cwd",
      "sync",
      "bounding",
      "identity",
      "exec",
    );
  });

  test("loads a filter while it still may, unless no_new_privs allows it later", () => {
    before(planOf(full), "identity", "seccomp", "caps", "exec");
    const noNewPrivs = planOf({ ...full, process: { ...PROCESS, noNewPrivileges: true } });
    before(noNewPrivs, "identity", "caps", "no-new-privs", "seccomp", "exec");
  });

  test("does everything on the host before anything in the child", () => {
    const host: PlanOpKind[] = ["cgroup-create", "cgroup-write", "cgroup-bpf", "oom-file", "ns-path"];
    for (const facts of [FACTS_V1, FACTS_V2]) {
      const isHost = kinds(
        planOf(withLinux({ namespaces: [{ type: "mount" }, { type: "network", path: "/n" }] }), facts),
      ).map((kind) => host.includes(kind));
      expect(isHost.lastIndexOf(true)).toBe(isHost.indexOf(false) - 1);
    }
  });

  test("lets hooks of the container's own files have no more rights than its program", () => {
    const hooks = { startContainer: [{ path: "/h" }], createContainer: [{ path: "/h" }] };
    const compiled = (noNewPrivileges: boolean): Plan =>
      compile({
        spec: { ...full, hooks, process: { ...PROCESS, noNewPrivileges } },
        rootfs: { kind: "bind", source: "/r" },
        staging: "/s",
        taskId: "t",
        facts: FACTS_V1,
        init: true,
        bundle: "/b",
      });
    expect(kinds(compiled(false)).slice(-5)).toEqual(["seccomp", "caps", "hooks", "reaper", "exec"]);
    expect(kinds(compiled(true)).slice(-5)).toEqual(["no-new-privs", "seccomp", "hooks", "reaper", "exec"]);
    before(compiled(true), "device", "hooks", "mask", "pivot", "sync");
  });

  test("puts the reaper behind everything but the program: it has no more rights than that", () => {
    const plan = compile({
      spec: full,
      rootfs: { kind: "bind", source: "/r" },
      staging: "/s",
      taskId: "t",
      facts: FACTS_V1,
      init: true,
    });
    expect(kinds(plan).slice(-3)).toEqual(["caps", "reaper", "exec"]);
  });
});

describe("namespaces", () => {
  test("are made, joined or left as they are", () => {
    const plan = planOf(
      withLinux({
        namespaces: [{ type: "mount" }, { type: "pid" }, { type: "network", path: "/run/netns/x" }],
      }),
    );
    expect(plan.cloneFlags).toBe(0x20020000);
    expect(plan.hostPid).toBe(false);
    expect(only(plan, "ns-path")).toEqual({ kind: "ns-path", cloneFlag: 0x40000000, path: "/run/netns/x" });
    expect(kinds(plan)).not.toContain("loopback-up");
  });

  test("without an own pid namespace ask the shim to kill what is left", () => {
    expect(planOf(SPEC).hostPid).toBe(true);
  });

  test.each<[string, Linux["namespaces"], string]>([
    ["none of the mount kind", [{ type: "pid" }], "needs a mount namespace"],
    ["one twice", [{ type: "mount" }, { type: "pid" }, { type: "pid" }], "pid namespace is listed twice"],
    ["a user namespace without ids", [{ type: "mount" }, { type: "user" }], "linux.uidMappings is missing"],
    ["a relative path", [{ type: "mount" }, { type: "ipc", path: "x" }], "not absolute"],
  ])("refuse %s", (_, namespaces, message) => {
    expect(() => planOf(withLinux({ namespaces: namespaces ?? [] }))).toThrow(message);
  });

  test("of the host are never made the container's to change, whatever they are called", () => {
    const host = (type: "network" | "uts"): Spec =>
      withLinux({
        namespaces: [{ type: "mount" }, { type, path: `/proc/1/ns/${type}`, gantryHost: true }],
        sysctl: type === "network" ? { "net.ipv4.ip_forward": "1" } : {},
      });
    expect(() => planOf(host("network"))).toThrow("not allowed in host network namespace");
    expect(() => planOf({ ...host("uts"), hostname: "h" })).toThrow("host's UTS namespace");
    expect(kinds(planOf(host("uts")))).not.toContain("ns-path");
  });

  test("must be own ones to be given a name", () => {
    expect(() => planOf({ ...SPEC, hostname: "h" })).toThrow(
      "cannot set the hostname of the host's UTS namespace",
    );
    const own = withLinux({ namespaces: [{ type: "mount" }, { type: "uts" }] });
    expect(() => planOf({ ...own, hostname: "x".repeat(65) })).toThrow("too long");
  });
});

describe("mounts", () => {
  test("make what they are made of apart from what they are", () => {
    const plan = planOf(
      withMount({
        destination: "//tmp/x/",
        type: "tmpfs",
        source: "t",
        options: ["nosuid", "size=1m", "noatime"],
      }),
    );
    expect(only(plan, "mount")).toEqual({
      kind: "mount",
      targetMode: true,
      copyUp: false,
      fstype: "tmpfs",
      source: "t",
      target: "/tmp/x",
      options: ["size=1m"],
      attrs: MOUNT_ATTR.nosuid | MOUNT_ATTR.noatime,
      propagation: 0n,
      dirMode: 0o755,
      idmap: 0,
    });
  });

  test("that bind set attributes on the whole tree only when asked to", () => {
    const bind = (options: string[]): Extract<PlanOp, { kind: "bind" }> =>
      only(planOf(withMount({ destination: "/x", type: "bind", source: "/s", options })), "bind");
    expect(bind(["rbind", "ro", "rslave"])).toMatchObject({
      recursive: true,
      treeAttrSet: 0n,
      attrSet: MOUNT_ATTR.rdonly,
      propagation: PROPAGATION.slave | PROPAGATION.rec,
    });
    expect(bind(["rbind", "ro", "rro"])).toMatchObject({
      attrSet: MOUNT_ATTR.rdonly,
      treeAttrSet: MOUNT_ATTR.rdonly,
    });
    expect(bind(["bind", "exec"])).toMatchObject({
      recursive: false,
      attrSet: 0n,
      attrClr: MOUNT_ATTR.noexec,
    });
  });

  test("that bind what another container has say where it is", () => {
    const mount = { destination: "/dev/shm", type: "bind", source: "/dev/shm", options: ["bind"] };
    const step = only(planOf(withMount({ ...mount, gantryElsewhere: "/proc/9/ns/mnt" })), "bind");
    expect(step).toMatchObject({ elsewhere: true, source: "/proc/9/ns/mnt", beneath: "/dev/shm" });
  });

  test.each<[string, SpecMount, string]>([
    [
      "an unknown option of a bind",
      { destination: "/x", type: "bind", source: "/s", options: ["rbind", "fancy"] },
      'unknown option "fancy"',
    ],
    ["a bind from nowhere", { destination: "/x", type: "bind", source: "s" }, "no absolute source"],
    ["the root", { destination: "/a/..", type: "tmpfs" }, "a mount on / is not allowed"],
    ["no type", { destination: "/x", source: "/s" }, "has no type"],
    [
      "copying up into anything but tmpfs",
      { destination: "/x", type: "ramfs", options: ["tmpcopyup"] },
      "tmpcopyup, which is for tmpfs",
    ],
    [
      "copying up into a bind",
      { destination: "/x", type: "bind", source: "/s", options: ["tmpcopyup"] },
      "tmpcopyup, which is for tmpfs",
    ],
    ["a change of what is mounted", { destination: "/x", type: "tmpfs", options: ["remount"] }, "remount"],
    ["something else as /proc", { destination: "/proc", type: "tmpfs" }, "not of type proc"],
    [
      "a directory as /proc",
      { destination: "/proc/.", type: "bind", source: "/srv", options: ["rbind"] },
      "not of type proc",
    ],
    [
      "something inside /proc",
      { destination: "/proc/self/attr", type: "bind", source: "/s" },
      "inside /proc",
    ],
    ["a detour into /proc", { destination: "/x/../proc/sys", type: "tmpfs" }, "inside /proc"],
  ])("refuse %s", (_, mount, message) => {
    expect(() => planOf(withMount(mount))).toThrow(message);
  });

  test("may cover what tools are known to cover in /proc", () => {
    expect(() =>
      planOf(withMount({ destination: "/proc/cpuinfo", type: "bind", source: "/lxcfs/cpuinfo" })),
    ).not.toThrow();
    expect(() =>
      planOf(withMount({ destination: "/proc", type: "bind", source: "/proc", options: ["rbind"] })),
    ).not.toThrow();
  });

  test.each([
    ["", "slave", true, undefined],
    ["private", "private", false, "private"],
    ["rslave", "slave", true, "slave"],
    ["shared", "shared", false, "shared"],
    ["unbindable", "private", true, "unbindable"],
  ] as const)(
    "are made with the propagation %j as %s, and the root then is %s",
    (wish, first, isRec, last) => {
      const { ops } = planOf(withLinux({ rootfsPropagation: wish }));
      const rec = isRec ? PROPAGATION.rec : 0n;
      expect(ops).toContainEqual({ kind: "propagation", propagation: PROPAGATION[first] | rec });
      const after = ops.flatMap((op) =>
        op.kind === "root-propagation" ? [op.propagation & ~PROPAGATION.rec] : [],
      );
      expect(after).toEqual(last === undefined ? [] : [PROPAGATION[last]]);
    },
  );

  test("that are read-only can be filled before: with devices, and with mounts that are not read-only", () => {
    const tmpfs = (destination: string): SpecMount => ({
      destination,
      type: "tmpfs",
      options: ["ro", "nosuid"],
    });
    const plan = planOf(
      withMount(tmpfs("/dev"), { destination: "/dev/shm", type: "tmpfs" }, tmpfs("/empty")),
    );
    const attrs = plan.ops.flatMap((op) => (op.kind === "mount" ? [[op.target, op.attrs]] : []));
    expect(attrs).toEqual([
      ["/dev", MOUNT_ATTR.nosuid],
      ["/dev/shm", 0n],
      ["/empty", MOUNT_ATTR.nosuid | MOUNT_ATTR.rdonly],
    ]);
    expect(only(plan, "readonly")).toEqual({ kind: "readonly", top: true, path: "/dev" });
    expect(kinds(plan).lastIndexOf("symlink")).toBeLessThan(kinds(plan).indexOf("readonly"));
    expect(kinds(plan).indexOf("readonly")).toBeLessThan(kinds(plan).indexOf("pivot"));
  });

  test("on /dev by the user keep everything out of it", () => {
    const plan = planOf(
      withMount({ destination: "/dev", type: "bind", source: "/srv/dev", options: ["rbind"] }),
    );
    expect(kinds(plan)).not.toContain("device");
    expect(kinds(plan)).not.toContain("symlink");
  });

  test("of a cgroup show the container its own part only", () => {
    const mount: SpecMount = {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: ["ro"],
    };
    const v1 = planOf(withMount(mount), FACTS_V1_TOGETHER).ops;
    expect(v1).toContainEqual(
      expect.objectContaining({
        kind: "bind",
        source: "/sys/fs/cgroup/memory/gantry/t1",
        target: "/sys/fs/cgroup/memory",
        attrSet: MOUNT_ATTR.rdonly,
      }),
    );
    expect(v1).toContainEqual({ kind: "symlink", value: "cpu,cpuacct", path: "/sys/fs/cgroup/cpu" });
    const own = {
      ...withMount(mount),
      linux: { namespaces: [{ type: "mount" }, { type: "cgroup" }] },
    } as const;
    expect(planOf(own, FACTS_V1_TOGETHER).ops).toContainEqual(
      expect.objectContaining({
        kind: "mount",
        fstype: "cgroup",
        target: "/sys/fs/cgroup/cpu,cpuacct",
        options: ["cpu", "cpuacct"],
      }),
    );
    expect(only(planOf(own, FACTS_V2), "mount")).toMatchObject({
      fstype: "cgroup2",
      target: "/sys/fs/cgroup",
      attrs: MOUNT_ATTR.rdonly,
    });
  });
});

describe("devices", () => {
  test("that the specification lists replace the default ones, but never /dev/ptmx", () => {
    const plan = planOf(
      withLinux({
        devices: [
          { path: "/dev/null", type: "u", major: 1, minor: 3, fileMode: 0o100600, uid: 5 },
          { path: "/dev/ptmx", type: "c", major: 5, minor: 2 },
        ],
      }),
    );
    const devices = plan.ops.filter((op) => op.kind === "device");
    expect(devices.filter(({ path }) => path === "/dev/null")).toEqual([
      { kind: "device", path: "/dev/null", type: "c", major: 1, minor: 3, mode: 0o600, uid: 5, gid: 0 },
    ]);
    expect(devices.map(({ path }) => path)).not.toContain("/dev/ptmx");
    expect(plan.ops).toContainEqual({ kind: "symlink", value: "pts/ptmx", path: "/dev/ptmx" });
  });

  test("are limited before anything else may be", () => {
    const v1 = planOf(SPEC).ops.filter((op) => op.kind === "cgroup-write");
    expect(v1[0]).toEqual({
      kind: "cgroup-write",
      mayMiss: false,
      file: "/sys/fs/cgroup/devices/gantry/t1/devices.deny",
      value: "a",
    });
    expect(only(planOf(SPEC, FACTS_V2), "cgroup-bpf").dir).toBe("/sys/fs/cgroup/gantry/t1");
  });
});

describe("limits", () => {
  test("without a place to set them are refused by name", () => {
    const pids = withLinux({ resources: { pids: { limit: 5n } } });
    expect(() => planOf(pids, FACTS_V1_TOGETHER)).toThrow(
      'cannot set "pids.max": the pids cgroup is not available',
    );
    const controllers = new Map([["memory", { mountPoint: "/sys/fs/cgroup/memory", own: "/" }]]);
    expect(() => planOf(SPEC, { ...FACTS_V1, cgroup: { version: 1, controllers } })).toThrow(
      "devices cgroup is not mounted",
    );
  });

  test.each(["/../x", "../relative", "/a\nb", "slice:gantry:x"])(
    "in the cgroup %j are refused",
    (cgroupsPath) => {
      expect(() => planOf(withLinux({ cgroupsPath }))).toThrow(/invalid cgroup path|is a unit/);
    },
  );
});

describe("the process", () => {
  test("keeps capabilities that exist and are to be had", () => {
    const facts = { ...FACTS_V1, capabilities: 0b1011n };
    const plan = planOf(
      withProcess({
        capabilities: {
          bounding: ["CAP_CHOWN", "CAP_SYS_ADMIN"],
          permitted: ["CAP_FOWNER"],
          effective: [],
          inheritable: ["CAP_FOWNER", "CAP_DAC_OVERRIDE"],
          ambient: ["CAP_FOWNER", "CAP_DAC_OVERRIDE", "CAP_CHOWN"],
        },
      }),
      facts,
    );
    expect(only(plan, "bounding").keepMask).toBe(1n);
    expect(only(plan, "caps")).toEqual({
      kind: "caps",
      permitted: 8n,
      effective: 0n,
      inheritable: 10n,
      ambient: 8n,
    });
  });

  test("of a newer kernel are warned of where warnings are wanted", () => {
    const warnings: string[] = [];
    const spec = withProcess({ capabilities: { bounding: ["CAP_FLY", "CAP_CHOWN"] } });
    const plan = compile({
      spec,
      rootfs: { kind: "bind", source: "/r" },
      staging: "/s",
      taskId: "t",
      facts: FACTS_V1,
      init: false,
      warn: (message) => warnings.push(message),
    });
    expect(only(plan, "bounding").keepMask).toBe(1n);
    expect(warnings).toEqual([
      'config.json: process.capabilities.bounding: ignoring the unknown capability "CAP_FLY"',
    ]);
  });

  test("has none when none are listed", () => {
    expect(only(planOf(SPEC), "caps")).toEqual({
      kind: "caps",
      permitted: 0n,
      effective: 0n,
      inheritable: 0n,
      ambient: 0n,
    });
  });

  test("is somebody by number, or by what the image calls him", () => {
    const plain = only(
      planOf(withProcess({ user: { uid: 7, gid: 8, umask: 0o77, additionalGids: [9] } })),
      "identity",
    );
    expect(plain).toMatchObject({
      userKind: "number",
      uid: 7,
      groupKind: "number",
      gid: 8,
      addGroups: ["9"],
    });
    const lookup = {
      user: { kind: "name", name: "www" },
      group: { kind: "none" },
      additionalGroups: ["audio"],
    } as const;
    const named = only(planOf(withProcess({ user: { uid: 0, gid: 0, gantryLookup: lookup } })), "identity");
    expect(named).toMatchObject({ userKind: "name", user: "www", groupKind: "none", addGroups: ["audio"] });
  });

  test("gets the last of several values of a variable", () => {
    expect(only(planOf(withProcess({ env: ["A=1", "B=2", "A=3"] })), "exec").env).toEqual(["A=3", "B=2"]);
  });

  test("is searched for where its environment says", () => {
    expect(only(planOf(withProcess({ env: ["PATH=/a", "X=1", "PATH=/b"] })), "exec").searchPath).toBe("/b");
    expect(only(planOf(SPEC), "exec").searchPath).toBe("");
  });

  test.each<[string, Spec, string]>([
    ["nothing to run", withProcess({ args: [] }), "no arguments"],
    ["a relative working directory", withProcess({ cwd: "proc/self/fd/7" }), "not absolute"],
    [
      "an unknown limit",
      withProcess({ rlimits: [{ type: "RLIMIT_FUN", soft: 0n, hard: 0n }] }),
      "RLIMIT_FUN",
    ],
    [
      "a limit above itself",
      withProcess({ rlimits: [{ type: "RLIMIT_CPU", soft: 2n, hard: 1n }] }),
      "above the hard",
    ],
    ["a score out of range", withProcess({ oomScoreAdj: 1001 }), "between -1000 and 1000"],
    ["an unknown capability", withProcess({ capabilities: { bounding: ["CAP_FLY"] } }), "CAP_FLY"],
    ["AppArmor where it is off", withProcess({ apparmorProfile: "p" }), "AppArmor is disabled"],
    ["SELinux where it is off", withProcess({ selinuxLabel: "x" }), "SELinux is disabled"],
    [
      "id mappings alone",
      withLinux({ uidMappings: [{ containerID: 0, hostID: 1, size: 1 }] }),
      "linux.uidMappings is given, but no user namespace",
    ],
    ["a mount label without SELinux", withLinux({ mountLabel: "x" }), "linux.mountLabel"],
    ["an unknown propagation", withLinux({ rootfsPropagation: "ro" }), "root propagation"],
    [
      "a host sysctl",
      withLinux({ sysctl: { "net.ipv4.ip_forward": "1" } }),
      "not allowed in host network namespace",
    ],
  ])("with %s is refused", (_, spec, message) => {
    expect(() => planOf(spec)).toThrow(message);
  });

  test("that is to ask an agent needs to be told which one", () => {
    const syscalls = [{ names: ["mkdir"], action: "SCMP_ACT_NOTIFY" }] as const;
    const spec = withLinux({ seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls } });
    expect(() => planOf(spec)).toThrow("SCMP_ACT_NOTIFY has nobody to ask");
  });

  test("without seccomp in the kernel is refused when it wants it", () => {
    const spec = withLinux({ seccomp: { defaultAction: "SCMP_ACT_ALLOW" } });
    expect(() => planOf(spec, { ...FACTS_V1, seccomp: false })).toThrow("seccomp is not available");
  });
});

test("ambient capabilities that could not be raised are left out", () => {
  const capabilities = {
    bounding: ["CAP_KILL", "CAP_CHOWN"],
    permitted: ["CAP_KILL", "CAP_CHOWN"],
    inheritable: ["CAP_KILL", "CAP_MKNOD"],
    ambient: ["CAP_KILL", "CAP_CHOWN", "CAP_MKNOD"],
  };
  const plan = planOf({ ...SPEC, process: { ...PROCESS, capabilities } });
  expect(only(plan, "caps")).toMatchObject({ ambient: 1n << 5n });
});

describe("compileExec()", () => {
  const exec = (process: Partial<Process>, spec: Spec = SPEC): Plan =>
    compileExec({ process: { ...PROCESS, ...process }, spec, taskId: "t1", facts: FACTS_V1 });

  test("joins the container's cgroups first, makes nothing and does not stop", () => {
    const plan = exec({ cwd: "/tmp" });
    expect(plan).toMatchObject({ join: true, cloneFlags: CLONE_NEW.mount, terminal: false });
    const used = new Set(kinds(plan));
    for (const kind of [
      "cgroup-create",
      "cgroup-write",
      "mount",
      "bind",
      "pivot",
      "sync",
      "unshare",
    ] as const)
      expect(used).not.toContain(kind);
    expect(plan.ops[0]).toEqual({ kind: "cgroup-join", dir: "/sys/fs/cgroup/cpu/gantry/t1", version: 1 });
    expect(only(plan, "cwd")).toEqual({ kind: "cwd", create: false, path: "/tmp" });
  });

  test("is under the container's filter, whoever runs it", () => {
    const spec = withLinux({ seccomp: { defaultAction: "SCMP_ACT_ERRNO" } });
    expect(kinds(exec({}, spec))).toContain("seccomp");
  });

  test("takes what it leaves open from the container's first process, but not who it is", () => {
    const first = withProcess({
      user: { uid: 5, gid: 5, umask: 0o77, additionalGids: [9] },
      cwd: "/w",
      env: ["A=b"],
      capabilities: { bounding: ["CAP_CHOWN"] },
      noNewPrivileges: true,
      oomScoreAdj: 7,
      rlimits: [{ type: "RLIMIT_CPU", soft: 1n, hard: 2n }],
      scheduler: { policy: "SCHED_BATCH" },
      ioPriority: { class: "IOPRIO_CLASS_RT", priority: 1 },
      execCPUAffinity: { final: "1" },
    });
    const open = exec({ cwd: "" }, first);
    expect(only(open, "bounding").keepMask).toBe(1n);
    expect(only(open, "cwd").path).toBe("/w");
    expect(only(open, "umask").mask).toBe(0o77);
    expect(only(open, "identity")).toMatchObject({ uid: 0, addGroups: [] });
    expect(only(open, "exec").env).toEqual([]);
    for (const kind of [
      "no-new-privs",
      "oom-score-adj",
      "rlimit",
      "scheduler",
      "io-priority",
      "affinity",
    ] as const)
      expect(kinds(open)).toContain(kind);
    const own = exec({ noNewPrivileges: false, capabilities: {}, oomScoreAdj: -1, cwd: "/x" }, first);
    expect(kinds(own)).not.toContain("no-new-privs");
    expect(only(own, "bounding").keepMask).toBe(0n);
    expect(only(own, "oom-score-adj").value).toBe(-1);
    expect(only(own, "cwd").path).toBe("/x");
  });

  test("is put on its CPUs before it joins the cgroup, and again after", () => {
    const plan = exec({ execCPUAffinity: { initial: "1", final: "0" } });
    expect(plan.ops.filter(({ kind }) => kind === "affinity")).toEqual([
      { kind: "affinity", mask: Buffer.from([2]) },
      { kind: "affinity", mask: Buffer.from([1]) },
    ]);
    expect(kinds(plan)[0]).toBe("affinity");
    expect(kinds(plan).lastIndexOf("affinity")).toBe(kinds(plan).lastIndexOf("cgroup-join") + 1);
  });

  test("can be put into cgroups below the container's, by controller", () => {
    const joined = (subCgroups: ReadonlyMap<string, string>, facts = FACTS_V1_TOGETHER): string[] =>
      compileExec({ process: PROCESS, spec: SPEC, taskId: "t1", facts, subCgroups }).ops.flatMap((op) =>
        op.kind === "cgroup-join" ? [op.dir] : [],
      );
    expect(
      joined(
        new Map([
          ["cpuacct", "a/b"],
          ["", "c"],
        ]),
      ),
    ).toEqual([
      "/sys/fs/cgroup/cpu,cpuacct/gantry/t1/a/b",
      "/sys/fs/cgroup/memory/gantry/t1/c",
      "/sys/fs/cgroup/devices/gantry/t1/c",
    ]);
    expect(joined(new Map([["", "x"]]), FACTS_V2)).toEqual(["/sys/fs/cgroup/gantry/t1/x"]);
    expect(() => joined(new Map([["cpu", "x"]]), FACTS_V2)).toThrow('no controller "cpu"');
    for (const path of ["..", "a/../b", "/a"])
      expect(() => joined(new Map([["", path]]))).toThrow("not a path below the container's own");
  });

  test("joins every namespace that is not the host's", () => {
    const spec = withLinux({
      namespaces: [
        { type: "mount" },
        { type: "user", path: "/u" },
        { type: "time" },
        { type: "ipc", path: "/proc/1/ns/ipc", gantryHost: true },
      ],
    });
    expect(exec({}, spec).cloneFlags).toBe(CLONE_NEW.mount | CLONE_NEW.user | CLONE_NEW.time);
  });

  test("has its own terminal", () => {
    const plan = exec({ terminal: true, consoleSize: { height: 24, width: 80 }, user: { uid: 5, gid: 0 } });
    expect(plan.terminal).toBe(true);
    expect(only(plan, "console")).toEqual({ kind: "console", rows: 24, cols: 80, uid: 5 });
  });
});

test("a refusal says whether it is the caller's fault or ours", () => {
  const categoryOf = (spec: Spec): boolean[] => {
    try {
      planOf(spec);
    } catch (error) {
      return [isCategory(error, "invalid_argument"), isCategory(error, "not_implemented")];
    }
    return [];
  };
  expect(categoryOf(withProcess({ args: [] }))).toEqual([true, false]);
  expect(categoryOf(withMount({ destination: "/x", type: "tmpfs", options: ["remount"] }))).toEqual([
    false,
    true,
  ]);
});

test("a plan with NUL bytes from the image never reaches the wire", () => {
  expect(() => encodePlan(planOf(withProcess({ env: ["A=b\0c"] })))).toThrow("NUL");
});
