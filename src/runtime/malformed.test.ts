/**
 * What a config.json can have wrong, one thing at a time: each spoils a good document in one place and is answered by one
 * error that names this place, or the other half of a contradiction.
 */
import { describe, expect, test } from "bun:test";
import { type Category, GantryError } from "../base/errors.ts";
import { FACTS_V2 } from "../linux/testing/facts.ts";
import { decodeSpec } from "../specs/oci-runtime/decode.ts";
import { compile } from "./compile.ts";
import { encodePlan } from "./plan-codec.ts";
import { fullConfig, type Json } from "./testing/full-config.ts";

const FACTS = { ...FACTS_V2, selinux: true, apparmor: true };

function run(config: Json): void {
  const plan = compile({
    spec: decodeSpec(JSON.stringify(config)),
    rootfs: { kind: "bind", source: "/b/rootfs" },
    staging: "/run/staging",
    taskId: "t",
    facts: FACTS,
    init: false,
    bundle: "/b",
  });
  encodePlan(plan);
}

/** In place of a value: the field is not there. */
const GONE = Symbol("gone");
type Spoiled = Json | typeof GONE;

/** "mounts[0].type" → the document with another value there. */
function spoil(path: string, value: Spoiled): Json {
  const config: Json = fullConfig();
  const steps = path
    .replaceAll(/\[(\d+)\]/g, ".$1")
    .replaceAll(/\["([^"]+)"\]/g, ".=$1")
    .split(/\.(?=[a-zA-Z0-9=])/);
  let at: unknown = config;
  for (const [index, raw] of steps.entries()) {
    const step = raw.replace(/^=/, "").replaceAll("·", ".");
    if (typeof at !== "object" || at === null) throw new Error(`${path} leads nowhere`);
    const isLast = index === steps.length - 1;
    if (isLast && value === GONE) Reflect.deleteProperty(at, step);
    else if (isLast && value !== GONE) Reflect.set(at, step, value);
    if (!isLast) at = Reflect.get(at, step);
  }
  return config;
}

function refusal(config: Json): GantryError {
  try {
    run(config);
  } catch (error) {
    if (error instanceof GantryError) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

function expectRefusal(config: Json, names: string, category: Category): void {
  const error = refusal(config);
  expect(error.message).toContain(names);
  expect(error.message).not.toContain("\n");
  expect(error.category).toBe(category);
}

test("the document that is spoiled is good", () => {
  expect(() => run(fullConfig())).not.toThrow();
});

// ---- wrong types ----

const TEXTS = `ociVersion hostname domainname root.path process.cwd process.apparmorProfile process.selinuxLabel
  process.args[1] process.env[0] process.capabilities.bounding[0] process.rlimits[0].type process.scheduler.policy
  process.scheduler.flags[0] process.ioPriority.class process.execCPUAffinity.initial process.execCPUAffinity.final
  mounts[1].destination mounts[1].type mounts[1].source mounts[1].options[0] hooks.prestart[0].path
  hooks.poststop[0].args[0] hooks.createContainer[0].env[0] linux.namespaces[1].type linux.namespaces[1].path
  linux.devices[0].path linux.devices[0].type linux.cgroupsPath linux.rootfsPropagation linux.seccomp.defaultAction
  linux.seccomp.architectures[0] linux.seccomp.flags[0] linux.seccomp.listenerPath linux.seccomp.listenerMetadata
  linux.seccomp.syscalls[0].names[0] linux.seccomp.syscalls[0].action linux.seccomp.syscalls[2].args[0].op
  linux.maskedPaths[0] linux.readonlyPaths[0] linux.mountLabel linux.personality.domain linux.netDevices["eth1"].name`;

const NUMBERS = `process.consoleSize.height process.consoleSize.width process.user.uid process.user.gid process.user.umask
  process.user.additionalGids[0] process.rlimits[0].soft process.rlimits[0].hard process.oomScoreAdj
  process.scheduler.nice process.scheduler.priority process.scheduler.runtime process.scheduler.deadline
  process.scheduler.period process.ioPriority.priority mounts[5].uidMappings[0].containerID
  mounts[5].gidMappings[0].hostID hooks.poststart[0].timeout linux.uidMappings[0].containerID
  linux.uidMappings[0].hostID linux.gidMappings[0].size linux.devices[0].major linux.devices[0].minor
  linux.devices[0].fileMode linux.devices[0].uid linux.devices[0].gid linux.seccomp.defaultErrnoRet
  linux.seccomp.syscalls[2].args[0].index linux.seccomp.syscalls[2].args[0].value
  linux.seccomp.syscalls[2].args[0].valueTwo linux.timeOffsets["monotonic"].secs
  linux.timeOffsets["monotonic"].nanosecs`;

const LISTS = `process.args process.env process.rlimits process.user.additionalGids process.capabilities.ambient mounts
  mounts[1].options mounts[5].uidMappings hooks.createRuntime hooks.prestart[0].args linux.namespaces linux.uidMappings
  linux.devices linux.seccomp.syscalls linux.seccomp.syscalls[0].names linux.seccomp.syscalls[2].args
  linux.maskedPaths linux.readonlyPaths linux.personality.flags`;

const OBJECTS = `process root hooks annotations linux process.user process.consoleSize process.capabilities
  process.rlimits[0] process.scheduler process.ioPriority process.execCPUAffinity mounts[0] mounts[5].uidMappings[0]
  hooks.startContainer[0] linux.namespaces[0] linux.devices[0] linux.seccomp linux.seccomp.syscalls[0]
  linux.seccomp.syscalls[2].args[0] linux.sysctl linux.timeOffsets linux.timeOffsets["monotonic"] linux.personality
  linux.netDevices linux.netDevices["eth1"]`;

const FLAGS = `process.terminal process.noNewPrivileges root.readonly`;

const fieldsOf = (text: string): string[] => text.split(/\s+/);

describe("a wrong type is refused by the field's name", () => {
  test.each(fieldsOf(TEXTS))("%s", (path) => {
    expectRefusal(spoil(path, 7), path, "invalid_argument");
    expectRefusal(spoil(path, ["x"]), path, "invalid_argument");
  });
  test.each(fieldsOf(NUMBERS))("%s", (path) => {
    for (const value of ["1", 1.5, true, 1e30]) expectRefusal(spoil(path, value), path, "invalid_argument");
  });
  test.each(fieldsOf(LISTS))("%s", (path) => {
    for (const value of ["x", { 0: "x" }, 3]) expectRefusal(spoil(path, value), path, "invalid_argument");
  });
  test.each(fieldsOf(OBJECTS))("%s", (path) => {
    for (const value of ["x", ["x"], false]) expectRefusal(spoil(path, value), path, "invalid_argument");
  });
  test.each(fieldsOf(FLAGS))("%s", (path) => {
    for (const value of ["true", 1, {}]) expectRefusal(spoil(path, value), path, "invalid_argument");
  });
});

test.each(fieldsOf(TEXTS).filter((path) => path !== "ociVersion"))("a NUL in %s is refused", (path) => {
  expectRefusal(spoil(path, "/x\0y"), path, "invalid_argument");
});

// ---- missing, out of range, meaningless ----

const LONG = "x".repeat(300);

const SINGLE: readonly (readonly [path: string, value: Spoiled, names?: string])[] = [
  ["ociVersion", GONE],
  ["ociVersion", "2.0.0"],
  ["ociVersion", "1.0"],
  ["process", GONE],
  ["process.args", GONE],
  ["process.args", []],
  ["process.cwd", GONE],
  ["process.cwd", "w"],
  ["process.cwd", `/${"x/".repeat(2100)}`],
  ["process.env[1]", "A"],
  ["process.env[1]", "=x"],
  ["process.env[1]", ""],
  ["process.user.uid", -1],
  ["process.user.uid", 4294967295],
  ["process.user.uid", 70000],
  ["process.user.gid", 4294967296],
  ["process.user.gid", 65536],
  ["process.user.umask", 0o1000],
  ["process.user.umask", -1],
  ["process.user.additionalGids[1]", -1],
  ["process.user.additionalGids[1]", 65536],
  ["process.consoleSize.height", 65536],
  ["process.consoleSize.width", GONE],
  ["process.capabilities.bounding[0]", "CAP_FLY", "process.capabilities.bounding"],
  ["process.capabilities.ambient", ["chown"]],
  ["process.rlimits[0].type", "NOFILE"],
  ["process.rlimits[0].type", "RLIMIT_FUN"],
  ["process.rlimits[0].type", GONE],
  ["process.rlimits[0].soft", GONE],
  ["process.rlimits[0].soft", 5000, "process.rlimits[0]"],
  ["process.rlimits[0].hard", -1],
  ["process.rlimits[1].type", "RLIMIT_NOFILE", "process.rlimits[1]"],
  ["process.oomScoreAdj", 1001],
  ["process.oomScoreAdj", -1001],
  ["process.scheduler.policy", "SCHED_FANCY"],
  ["process.scheduler.policy", GONE],
  ["process.scheduler.policy", "SCHED_FIFO", "process.scheduler"],
  ["process.scheduler.policy", "SCHED_DEADLINE", "process.scheduler"],
  ["process.scheduler.nice", 20],
  ["process.scheduler.nice", -21],
  ["process.scheduler.priority", 100],
  ["process.scheduler.priority", 1, "process.scheduler"],
  ["process.scheduler.flags", ["SCHED_FLAG_FUN"], "process.scheduler"],
  ["process.scheduler.runtime", -1],
  ["process.scheduler.runtime", 2000, "process.scheduler"],
  ["process.ioPriority.class", "IOPRIO_CLASS_NONE"],
  ["process.ioPriority.class", GONE],
  ["process.ioPriority.priority", 8],
  ["process.ioPriority.priority", -1],
  ["process.ioPriority.priority", GONE],
  ["root.path", ""],
  ["root.path", GONE],
  ["hostname", "x".repeat(65)],
  ["domainname", "ä".repeat(33)],
  ["mounts[0].destination", GONE],
  ["mounts[0].destination", "/"],
  ["mounts[0].destination", "/a/.."],
  ["mounts[0].destination", "/proc/self"],
  ["mounts[0].destination", "/x/../proc/sys/"],
  ["mounts[1].destination", "/proc"],
  ["mounts[1].destination", `/${"x/".repeat(2100)}`],
  ["mounts[1].type", GONE],
  ["mounts[1].options", ["gid=70000"]],
  ["mounts[1].options", ["=x"]],
  ["mounts[1].options", [LONG]],
  ["mounts[2].options", ["uid=65536"]],
  ["mounts[3].options", ["tmpcopyup"]],
  ["mounts[4].uidMappings", [{ containerID: 0, hostID: 1, size: 1 }], "mounts[4]"],
  ["mounts[5].source", GONE],
  ["mounts[5].source", ""],
  ["mounts[5].source", `/${"x/".repeat(2100)}`],
  ["mounts[5].options", ["rbind", "size=1m"]],
  ["mounts[5].options", ["rbind", "tmpcopyup"]],
  ["mounts[5].gidMappings", GONE, "mounts[5]"],
  ["mounts[5].gidMappings", []],
  ["mounts[5].uidMappings[0].size", 0, "mounts[5].uidMappings"],
  ["mounts[5].uidMappings[0].size", GONE],
  ["mounts[5].uidMappings[0].hostID", 4294967290, "mounts[5].uidMappings"],
  ["hooks.prestart[0].path", GONE],
  ["hooks.prestart[0].path", "h"],
  ["hooks.prestart[0].path", `/${"x/".repeat(2100)}`],
  ["hooks.poststop[0].timeout", 0],
  ["hooks.poststop[0].timeout", -1],
  ["hooks.poststop[0].timeout", 4294967296],
  ["hooks.createRuntime[0].env[0]", "A"],
  ["linux", GONE, "linux.namespaces"],
  ["linux.namespaces", GONE],
  ["linux.namespaces[0].type", "net"],
  ["linux.namespaces[0].type", GONE],
  ["linux.namespaces[0].type", "mount", "linux.namespaces[2]"],
  ["linux.namespaces[1].path", "run/netns/x"],
  ["linux.namespaces[1].path", `/${"x/".repeat(2100)}`],
  ["linux.namespaces[2].type", "mount2"],
  ["linux.namespaces[4]", { type: "uts", gantryHost: true, path: "/proc/1/ns/uts" }, "hostname"],
  ["linux.namespaces[5]", { type: "user", path: "x" }, "linux.namespaces[5].path"],
  ["linux.uidMappings", GONE],
  ["linux.gidMappings", []],
  ["linux.uidMappings[0].size", 0, "linux.uidMappings"],
  ["linux.uidMappings[0].hostID", 4294967295, "linux.uidMappings"],
  ["linux.uidMappings[0].containerID", GONE],
  ["linux.uidMappings[0].containerID", 1001, "process.user.uid"],
  [
    "linux.gidMappings",
    [
      { containerID: 0, hostID: 0, size: 10 },
      { containerID: 9, hostID: 50, size: 1 },
    ],
  ],
  [
    "linux.gidMappings",
    [
      { containerID: 0, hostID: 5, size: 10 },
      { containerID: 50, hostID: 14, size: 1 },
    ],
  ],
  ["linux.gidMappings", Array.from({ length: 341 }, (_, n) => ({ containerID: n, hostID: n, size: 1 }))],
  ["linux.devices[0].path", "fuse"],
  ["linux.devices[0].path", "/dev/"],
  ["linux.devices[0].path", "/dev/../etc/x"],
  ["linux.devices[0].path", GONE],
  ["linux.devices[0].type", "a"],
  ["linux.devices[0].type", GONE],
  ["linux.devices[0].major", GONE],
  ["linux.devices[0].major", 4096],
  ["linux.devices[0].major", -1],
  ["linux.devices[0].minor", 1048576],
  ["linux.devices[0].fileMode", -1],
  ["linux.devices[0].uid", 4294967295],
  ["linux.rootfsPropagation", "ro"],
  ["linux.rootfsPropagation", "sharing"],
  ["linux.seccomp.defaultAction", "SCMP_ACT_MAYBE"],
  ["linux.seccomp.defaultAction", GONE],
  ["linux.seccomp.defaultErrnoRet", 65536],
  ["linux.seccomp.architectures[0]", "x86_64", "linux.seccomp"],
  ["linux.seccomp.listenerPath", GONE, "linux.seccomp.listenerMetadata"],
  ["linux.seccomp.listenerPath", "agent.sock"],
  ["linux.seccomp.listenerPath", `/${LONG}`],
  ["linux.seccomp.syscalls[0].names", []],
  ["linux.seccomp.syscalls[0].names", GONE],
  ["linux.seccomp.syscalls[0].action", "ALLOW"],
  ["linux.seccomp.syscalls[0].action", GONE],
  ["linux.seccomp.syscalls[2].args[0].index", 6],
  ["linux.seccomp.syscalls[2].args[0].index", GONE],
  ["linux.seccomp.syscalls[2].args[0].value", -1],
  ["linux.seccomp.syscalls[2].args[0].op", "SCMP_CMP_ALMOST"],
  ["linux.sysctl", { "kernel.core_pattern": "|/x" }],
  ["linux.sysctl", { "kernel.hostname": "x" }],
  ["linux.sysctl", { "net.ipv4.x": "1\n2" }],
  ["linux.sysctl", { "a/../../x": "1" }],
  ["linux.sysctl", { "net.x": 1 }],
  ["linux.maskedPaths[0]", "proc/kcore"],
  ["linux.maskedPaths[0]", "/proc/../etc"],
  ["linux.readonlyPaths[0]", `/${"x/".repeat(2100)}`],
  ["linux.readonlyPaths[0]", ""],
  ["linux.timeOffsets", { realtime: { secs: 1 } }],
  ['linux.timeOffsets["monotonic"].nanosecs', 1000000000],
  ['linux.timeOffsets["monotonic"].nanosecs', -1],
  ["linux.personality.domain", "BSD"],
  ["linux.personality.domain", GONE],
  ["linux.netDevices", { "eth/0": {} }],
  ["linux.netDevices", { "..": {} }],
  ["linux.netDevices", { abcdefghijklmnop: {} }],
  ["linux.netDevices", { "eth%d": {} }],
  ["linux.netDevices", { a: { name: "x" }, b: { name: "x" } }],
  ['linux.netDevices["eth1"].name', "a b"],
  ['linux.netDevices["eth1"].name', "%s"],
];

test.each(SINGLE)("%s = %j is refused", (path, value, names = path) => {
  expectRefusal(spoil(path, value), names, "invalid_argument");
});

// ---- what we do not have ----

const UNSUPPORTED: readonly (readonly [path: string, value: Json])[] = [
  ["windows", {}],
  ["solaris", {}],
  ["vm", {}],
  ["zos", {}],
  ["process.commandLine", "cmd"],
  ["process.user.username", "u"],
  ["linux.memoryPolicy", { mode: "MPOL_BIND" }],
  ["linux.personality.flags", ["ADDR_NO_RANDOMIZE"]],
  ["mounts[1].options", ["remount", "ro"]],
  ["mounts[1].options", ["copy-symlink"]],
  ["mounts[5].options", ["rbind", "dest-nofollow"]],
  ["mounts[5].options", ["rbind", "idmap=uids=0-1-2"]],
  ["linux.seccomp.defaultAction", "SCMP_ACT_NOTIFY"],
  ["linux.seccomp.syscalls[1].names", ["mkdir", "write"]],
];

test.each(UNSUPPORTED)("%s = %j is refused by name", (path, value) => {
  expectRefusal(spoil(path, value), path, "not_implemented");
});

test("a policy that no kernel has is refused by name", () => {
  expectRefusal(spoil("process.scheduler.policy", "SCHED_ISO"), "process.scheduler", "not_implemented");
});

// ---- contradictions: without one namespace, what belongs to it ----

function without(type: string): Json {
  const config = fullConfig();
  const { linux } = config;
  if (typeof linux !== "object" || linux === null || Array.isArray(linux)) throw new Error("no linux");
  const { namespaces } = linux;
  if (!Array.isArray(namespaces)) throw new Error("no namespaces");
  linux["namespaces"] = namespaces.filter((entry) => JSON.stringify(entry) !== JSON.stringify({ type }));
  return config;
}

test.each([
  ["mount", "linux.namespaces"],
  ["user", "linux.uidMappings"],
  ["uts", "hostname"],
  ["time", "linux.timeOffsets"],
  ["network", 'linux.netDevices["eth1"]'],
])("without a %s namespace %s is refused", (type, names) => {
  expectRefusal(without(type), names, "invalid_argument");
});

test.each([
  ["selinux", "linux.mountLabel"],
  ["apparmor", "process.apparmorProfile"],
  ["seccomp", "linux.seccomp"],
] as const)("without %s in the kernel %s is refused", (fact, names) => {
  const compiled = (): unknown =>
    compile({
      spec: decodeSpec(JSON.stringify(fullConfig())),
      rootfs: { kind: "bind", source: "/r" },
      staging: "/s",
      taskId: "t",
      facts: { ...FACTS, [fact]: false },
      init: false,
      bundle: "/b",
    });
  expect(compiled).toThrow(names);
});

const JOINED = { type: "mount", path: "/run/ns/m" };

test("in a mount namespace of somebody else nothing is mounted", () => {
  const config = spoil("linux.namespaces[2]", JOINED);
  for (const names of ["mounts", "linux.devices", "linux.maskedPaths", "linux.readonlyPaths"]) {
    expectRefusal(config, names, "not_implemented");
    const [top = "", below] = names.split(".");
    const holder: unknown = below === undefined ? config : Reflect.get(Object(config), top);
    Reflect.deleteProperty(Object(holder), below ?? top);
  }
  expectRefusal(config, "linux.rootfsPropagation", "not_implemented");
});
