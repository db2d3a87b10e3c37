/**
 * config.json → Spec. Properties that the specification has and this runtime has not are refused by name; ones that
 * nobody knows are ignored, as the specification demands. Types and ranges are checked here, what the values mean
 * together by `compile`.
 */
import { Fields } from "../engine/fields.decode.ts";
import { parseExactJson } from "../exact-json.ts";
import {
  absolutePath,
  boolean,
  child,
  childMap,
  children,
  cleanText,
  defined,
  i64,
  id,
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
import { decodeIntelRdt, decodeResources } from "./decode-resources.ts";
import { decodeSeccomp } from "./decode-seccomp.ts";
import { invalid, quoted, unsupported } from "./refusal.ts";
import type {
  Hook,
  HookPoint,
  IdMapping,
  Linux,
  LinuxDevice,
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
  refuse(fields, ["memoryPolicy"]);
  return defined({
    namespaces: children(fields, "namespaces", decodeNamespace),
    uidMappings: children(fields, "uidMappings", decodeIdMapping),
    gidMappings: children(fields, "gidMappings", decodeIdMapping),
    devices: children(fields, "devices", decodeDevice),
    cgroupsPath: text(fields, "cgroupsPath"),
    resources: child(fields, "resources", decodeResources),
    intelRdt: child(fields, "intelRdt", decodeIntelRdt),
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
