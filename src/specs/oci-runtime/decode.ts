/**
 * config.json → Spec. Properties that the specification has and this runtime has not are refused by name; ones that
 * nobody knows are ignored, as the specification demands. Types and ranges are checked here, what the values mean
 * together by `compile`.
 */
import { Fields } from "../engine/fields.decode.ts";
import { parseExactJson } from "../exact-json.ts";
import {
  absolutePath,
  big,
  boolean,
  child,
  childMap,
  children,
  cleanText,
  defined,
  i64,
  id,
  integer,
  integerIn,
  oneOf,
  refuse,
  required,
  requiredText,
  strings,
  text,
  u32,
} from "./decode-fields.ts";
import { decodeProcess } from "./decode-process.ts";
import { decodeSeccomp } from "./decode-seccomp.ts";
import { invalid, quoted, unsupported } from "./refusal.ts";
import type {
  BlockIoThrottle,
  Hook,
  HookPoint,
  IdMapping,
  Linux,
  LinuxDevice,
  LinuxDeviceRule,
  LinuxResources,
  Namespace,
  NamespaceType,
  Process,
  Spec,
  SpecMount,
  TimeOffset,
} from "./spec.ts";

/** Throws `invalid_argument` for a document that is none, `not_implemented` for a property that we do not have. */
export function decodeSpec(document: string): Spec {
  const fields = new Fields(parseExactJson(document), "");
  refuse(fields, ["windows", "solaris", "vm", "zos", "freebsd"]);
  return defined({
    ociVersion: versionOf(fields),
    process: child(fields, "process", decodeProcess),
    root: child(fields, "root", (root) =>
      defined({ path: requiredText(root, "path"), readonly: boolean(root, "readonly") }),
    ),
    hostname: text(fields, "hostname"),
    domainname: text(fields, "domainname"),
    mounts: children(fields, "mounts", decodeMount),
    hooks: child(fields, "hooks", decodeHooks),
    annotations: fields.stringMap("annotations") ?? undefined,
    linux: child(fields, "linux", decodeLinux),
  });
}

/** A document that is config.json's "process" alone, as `exec --process` takes it. Throws as `decodeSpec`. */
export function decodeProcessDocument(document: string): Process {
  return decodeProcess(new Fields(parseExactJson(document), "process"));
}

function versionOf(fields: Fields): string {
  const version = fields.str("ociVersion");
  if (!/^1\.\d{1,9}\.\d{1,9}(?:[-+][0-9A-Za-z.+-]{1,100})?$/.test(version))
    throw invalid("ociVersion", `${quoted(version)} is not supported`);
  return version;
}

// ---- hooks and mounts ----

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
    const list = children(fields, point, decodeHook);
    if (list !== undefined) hooks[point] = list;
  }
  return hooks;
}

function decodeHook(fields: Fields): Hook {
  return defined({
    path: absolutePath(fields, "path"),
    args: strings(fields, "args"),
    env: strings(fields, "env"),
    timeout: integerIn(fields, "timeout", 1, 0xffffffff),
  });
}

function decodeMount(fields: Fields): SpecMount {
  return defined({
    destination: requiredText(fields, "destination"),
    type: text(fields, "type"),
    source: text(fields, "source"),
    options: strings(fields, "options"),
    uidMappings: children(fields, "uidMappings", decodeIdMapping),
    gidMappings: children(fields, "gidMappings", decodeIdMapping),
    gantryFile: boolean(fields, "gantryFile"),
  });
}

function decodeIdMapping(fields: Fields): IdMapping {
  const number = (key: string): number => required(fields, key, u32(fields, key));
  return { containerID: number("containerID"), hostID: number("hostID"), size: number("size") };
}

// ---- linux ----

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
  refuse(fields, ["intelRdt", "memoryPolicy"]);
  return defined({
    namespaces: children(fields, "namespaces", decodeNamespace),
    uidMappings: children(fields, "uidMappings", decodeIdMapping),
    gidMappings: children(fields, "gidMappings", decodeIdMapping),
    devices: children(fields, "devices", decodeDevice),
    cgroupsPath: text(fields, "cgroupsPath"),
    resources: child(fields, "resources", decodeResources),
    rootfsPropagation: text(fields, "rootfsPropagation"),
    seccomp: child(fields, "seccomp", decodeSeccomp),
    sysctl: fields.map("sysctl", cleanText) ?? undefined,
    maskedPaths: strings(fields, "maskedPaths"),
    readonlyPaths: strings(fields, "readonlyPaths"),
    mountLabel: text(fields, "mountLabel"),
    timeOffsets: childMap(fields, "timeOffsets", decodeTimeOffset),
    personality: child(fields, "personality", decodePersonality),
    netDevices: childMap(fields, "netDevices", (device) => defined({ name: text(device, "name") })),
  });
}

function decodeNamespace(fields: Fields): Namespace {
  return defined({
    type: oneOf(fields, "type", NAMESPACES),
    path: text(fields, "path"),
    gantryHost: boolean(fields, "gantryHost"),
  });
}

function decodeTimeOffset(fields: Fields): TimeOffset {
  return defined({
    secs: i64(fields, "secs"),
    nanosecs: integerIn(fields, "nanosecs", 0, 999_999_999),
  });
}

function decodePersonality(fields: Fields): NonNullable<Linux["personality"]> {
  if ((strings(fields, "flags") ?? []).length > 0)
    throw unsupported(fields.at("flags"), "the specification defines none");
  return { domain: oneOf(fields, "domain", ["LINUX", "LINUX32"]) };
}

/** The kernel's own device numbers have 12 and 20 bits. */
function decodeDevice(fields: Fields): LinuxDevice {
  const type = oneOf(fields, "type", ["c", "b", "u", "p"]);
  const number = (key: string, most: number): number | undefined => {
    const value = integerIn(fields, key, 0, most);
    return type === "p" ? value : required(fields, key, value);
  };
  return defined({
    path: absolutePath(fields, "path"),
    type,
    major: number("major", 0xfff),
    minor: number("minor", 0xfffff),
    fileMode: u32(fields, "fileMode"),
    uid: id(fields, "uid"),
    gid: id(fields, "gid"),
  });
}

// ---- resources ----

function decodeResources(fields: Fields): LinuxResources {
  refuse(fields, ["hugepageLimits", "network", "rdma"]);
  return defined({
    devices: children(fields, "devices", decodeDeviceRule),
    memory: child(fields, "memory", decodeMemory),
    cpu: child(fields, "cpu", decodeCpu),
    pids: child(fields, "pids", (pids) => ({ limit: big(pids, "limit") ?? 0n })),
    blockIO: child(fields, "blockIO", decodeBlockIo),
    unified: fields.stringMap("unified") ?? undefined,
  });
}

function decodeDeviceRule(fields: Fields): LinuxDeviceRule {
  return defined({
    allow: fields.bool("allow"),
    type: fields.has("type") ? oneOf(fields, "type", ["a", "c", "b"]) : undefined,
    major: integer(fields, "major"),
    minor: integer(fields, "minor"),
    access: text(fields, "access"),
  });
}

function decodeMemory(fields: Fields): NonNullable<LinuxResources["memory"]> {
  refuse(fields, ["kernel", "kernelTCP", "checkBeforeUpdate"]);
  return defined({
    limit: big(fields, "limit"),
    reservation: big(fields, "reservation"),
    swap: big(fields, "swap"),
    swappiness: integer(fields, "swappiness"),
    disableOOMKiller: boolean(fields, "disableOOMKiller"),
  });
}

function decodeCpu(fields: Fields): NonNullable<LinuxResources["cpu"]> {
  refuse(fields, ["burst", "idle"]);
  return defined({
    shares: integer(fields, "shares"),
    quota: big(fields, "quota"),
    period: integer(fields, "period"),
    realtimeRuntime: big(fields, "realtimeRuntime"),
    realtimePeriod: integer(fields, "realtimePeriod"),
    cpus: text(fields, "cpus"),
    mems: text(fields, "mems"),
  });
}

function decodeBlockIo(fields: Fields): NonNullable<LinuxResources["blockIO"]> {
  refuse(fields, ["leafWeight", "weightDevice"]);
  const throttles = (key: string): BlockIoThrottle[] | undefined =>
    children(fields, key, (throttle) => ({
      major: throttle.int("major"),
      minor: throttle.int("minor"),
      rate: big(throttle, "rate") ?? 0n,
    }));
  return defined({
    weight: integer(fields, "weight"),
    throttleReadBpsDevice: throttles("throttleReadBpsDevice"),
    throttleWriteBpsDevice: throttles("throttleWriteBpsDevice"),
    throttleReadIOPSDevice: throttles("throttleReadIOPSDevice"),
    throttleWriteIOPSDevice: throttles("throttleWriteIOPSDevice"),
  });
}
