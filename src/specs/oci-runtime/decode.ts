/**
 * config.json → Spec. Properties that the specification has and this runtime has not are refused by name; ones that
 * nobody knows are ignored, as the specification demands. What the values mean is checked by `compile`.
 */
import { fail } from "../../base/errors.ts";
import { asInt, asString, Fields } from "../engine/fields.decode.ts";
import { asBigInt, parseExactJson } from "../exact-json.ts";
import { decodeIntelRdt, decodeResources } from "./decode-resources.ts";
import type {
  Capabilities,
  Hook,
  HookPoint,
  IdentityName,
  IdMapping,
  Linux,
  LinuxDevice,
  NamespaceType,
  Process,
  Seccomp,
  SeccompAction,
  SeccompArg,
  SeccompOperator,
  SeccompRule,
  Spec,
  SpecMount,
  SpecUser,
} from "./spec.ts";

/** Throws `invalid_argument` for a document that is none, `not_implemented` for a property that we do not have. */
export function decodeSpec(document: string): Spec {
  const fields = new Fields(parseExactJson(document), "");
  for (const platform of ["windows", "solaris", "vm", "zos", "freebsd"])
    if (fields.has(platform)) throw fail("not_implemented", `config.json: "${platform}" is not supported`);
  return defined({
    ociVersion: versionOf(fields),
    process: child(fields, "process", decodeProcess),
    root: child(fields, "root", (root) =>
      defined({ path: root.str("path"), readonly: boolean(root, "readonly") }),
    ),
    hostname: text(fields, "hostname"),
    domainname: text(fields, "domainname"),
    mounts: children(fields, "mounts", decodeMount),
    hooks: child(fields, "hooks", decodeHooks),
    annotations: fields.stringMap("annotations") ?? undefined,
    linux: child(fields, "linux", decodeLinux),
  });
}

function versionOf(fields: Fields): string {
  const version = fields.str("ociVersion");
  if (!/^1\.\d+\.\d+/.test(version))
    throw fail("invalid_argument", `config.json: ociVersion "${version.slice(0, 40)}" is not supported`);
  return version;
}

// ---- fields that may be absent ----

type Defined<T> = {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/** Leaves out what is undefined: in a Spec, as in the document, an absent field is absent. */
export function defined<T extends object>(values: T): Defined<T>;
export function defined(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function text(fields: Fields, key: string): string | undefined {
  return fields.has(key) ? fields.str(key) : undefined;
}

function boolean(fields: Fields, key: string): boolean | undefined {
  return fields.boolOrNull(key) ?? undefined;
}

function integer(fields: Fields, key: string): number | undefined {
  return fields.intOrNull(key) ?? undefined;
}

function big(fields: Fields, key: string): bigint | undefined {
  return fields.has(key) ? asBigInt(fields.raw(key), fields.at(key)) : undefined;
}

function strings(fields: Fields, key: string): string[] | undefined {
  return fields.strings(key) ?? undefined;
}

function child<T>(fields: Fields, key: string, decode: (fields: Fields) => T): T | undefined {
  const inner = fields.object(key);
  return inner === null ? undefined : decode(inner);
}

function children<T>(fields: Fields, key: string, decode: (fields: Fields) => T): T[] | undefined {
  return fields.list(key, (value, path) => decode(new Fields(value, path))) ?? undefined;
}

function oneOf<T extends string>(fields: Fields, key: string, allowed: readonly T[]): T {
  return fields.oneOf(
    key,
    allowed,
    (value) => `config.json: ${fields.at(key)} cannot be "${value.slice(0, 100)}"`,
  );
}

function refuse(fields: Fields, keys: readonly string[]): void {
  for (const key of keys)
    if (fields.has(key)) throw fail("not_implemented", `config.json: "${fields.at(key)}" is not supported`);
}

// ---- the process ----

export function decodeProcess(fields: Fields): Process {
  refuse(fields, ["commandLine", "scheduler", "ioPriority", "execCPUAffinity"]);
  return defined({
    terminal: boolean(fields, "terminal"),
    consoleSize: child(fields, "consoleSize", (size) => ({
      height: size.int("height"),
      width: size.int("width"),
    })),
    user: child(fields, "user", decodeUser) ?? { uid: 0, gid: 0 },
    args: fields.strings("args") ?? [],
    env: strings(fields, "env"),
    cwd: fields.str("cwd"),
    capabilities: child(fields, "capabilities", decodeCapabilities),
    rlimits: children(fields, "rlimits", (limit) => ({
      type: limit.str("type"),
      hard: big(limit, "hard") ?? 0n,
      soft: big(limit, "soft") ?? 0n,
    })),
    noNewPrivileges: boolean(fields, "noNewPrivileges"),
    apparmorProfile: text(fields, "apparmorProfile"),
    selinuxLabel: text(fields, "selinuxLabel"),
    oomScoreAdj: integer(fields, "oomScoreAdj"),
  });
}

function decodeUser(fields: Fields): SpecUser {
  return defined({
    uid: fields.int("uid"),
    gid: fields.int("gid"),
    umask: integer(fields, "umask"),
    additionalGids: fields.list("additionalGids", asInt) ?? undefined,
    gantryLookup: child(fields, "gantryLookup", (lookup) => ({
      user: child(lookup, "user", decodeIdentity) ?? { kind: "none" as const },
      group: child(lookup, "group", decodeIdentity) ?? { kind: "none" as const },
      additionalGroups: lookup.strings("additionalGroups") ?? [],
    })),
  });
}

function decodeIdentity(fields: Fields): IdentityName {
  const kind = oneOf(fields, "kind", ["none", "number", "name"]);
  if (kind === "none") return { kind };
  return kind === "number" ? { kind, id: fields.int("id") } : { kind, name: fields.str("name") };
}

function decodeCapabilities(fields: Fields): Capabilities {
  return defined({
    bounding: strings(fields, "bounding"),
    effective: strings(fields, "effective"),
    inheritable: strings(fields, "inheritable"),
    permitted: strings(fields, "permitted"),
    ambient: strings(fields, "ambient"),
  });
}

const HOOK_POINTS: readonly HookPoint[] = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
];

function decodeHooks(fields: Fields): NonNullable<Spec["hooks"]> {
  const hooks: Partial<Record<HookPoint, readonly Hook[]>> = {};
  for (const point of HOOK_POINTS) {
    const list = children(fields, point, (hook) =>
      defined({
        path: hook.str("path"),
        args: strings(hook, "args"),
        env: strings(hook, "env"),
        timeout: integer(hook, "timeout"),
      }),
    );
    if (list !== undefined) hooks[point] = list;
  }
  return hooks;
}

// ---- mounts and linux ----

function decodeMount(fields: Fields): SpecMount {
  refuse(fields, ["uidMappings", "gidMappings"]);
  return defined({
    destination: fields.str("destination"),
    type: text(fields, "type"),
    source: text(fields, "source"),
    options: strings(fields, "options"),
    gantryFile: boolean(fields, "gantryFile"),
  });
}

const NAMESPACES: readonly NamespaceType[] = [
  "pid",
  "network",
  "mount",
  "ipc",
  "uts",
  "user",
  "cgroup",
  "time",
];

function decodeLinux(fields: Fields): Linux {
  refuse(fields, ["personality", "timeOffsets", "netDevices", "memoryPolicy"]);
  return defined({
    namespaces: children(fields, "namespaces", (namespace) =>
      defined({ type: oneOf(namespace, "type", NAMESPACES), path: text(namespace, "path") }),
    ),
    uidMappings: children(fields, "uidMappings", decodeIdMapping),
    gidMappings: children(fields, "gidMappings", decodeIdMapping),
    devices: children(fields, "devices", decodeDevice),
    cgroupsPath: text(fields, "cgroupsPath"),
    resources: child(fields, "resources", decodeResources),
    intelRdt: child(fields, "intelRdt", decodeIntelRdt),
    rootfsPropagation: text(fields, "rootfsPropagation"),
    seccomp: child(fields, "seccomp", decodeSeccomp),
    sysctl: fields.map("sysctl", asString) ?? undefined,
    maskedPaths: strings(fields, "maskedPaths"),
    readonlyPaths: strings(fields, "readonlyPaths"),
    mountLabel: text(fields, "mountLabel"),
  });
}

function decodeIdMapping(fields: Fields): IdMapping {
  return { containerID: fields.int("containerID"), hostID: fields.int("hostID"), size: fields.int("size") };
}

function decodeDevice(fields: Fields): LinuxDevice {
  return defined({
    path: fields.str("path"),
    type: oneOf(fields, "type", ["c", "b", "u", "p"]),
    major: integer(fields, "major"),
    minor: integer(fields, "minor"),
    fileMode: integer(fields, "fileMode"),
    uid: integer(fields, "uid"),
    gid: integer(fields, "gid"),
  });
}

// ---- seccomp ----

const ACTIONS: readonly SeccompAction[] = [
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_LOG",
  "SCMP_ACT_NOTIFY",
];

const OPERATORS: readonly SeccompOperator[] = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
];

/** Also the part of Docker's own profile format that is the same. */
export function decodeSeccomp(fields: Fields): Seccomp {
  refuse(fields, ["listenerPath", "listenerMetadata"]);
  return defined({
    defaultAction: oneOf(fields, "defaultAction", ACTIONS),
    defaultErrnoRet: integer(fields, "defaultErrnoRet"),
    architectures: strings(fields, "architectures"),
    flags: strings(fields, "flags"),
    syscalls: children(fields, "syscalls", decodeSeccompRule),
  });
}

export function decodeSeccompRule(fields: Fields): SeccompRule {
  return defined({
    names: fields.strings("names") ?? [],
    action: oneOf(fields, "action", ACTIONS),
    errnoRet: integer(fields, "errnoRet"),
    args: children(fields, "args", decodeSeccompArg),
  });
}

function decodeSeccompArg(fields: Fields): SeccompArg {
  return defined({
    index: fields.int("index"),
    value: big(fields, "value") ?? 0n,
    valueTwo: big(fields, "valueTwo"),
    op: oneOf(fields, "op", OPERATORS),
  });
}
