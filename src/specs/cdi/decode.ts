/** CDI specifications from outside: whatever is wrong with one is said with its place, and then nothing of it counts. */
import { fail } from "../../base/errors.ts";
import { asInt, asString, Fields } from "../engine/fields.decode.ts";
import { defined } from "../oci-runtime/decode-fields.ts";
import { decodeIntelRdt } from "../oci-runtime/decode-resources.ts";
import type { HookPoint, LinuxDevice } from "../oci-runtime/spec.ts";
import type { CdiDeviceNode, CdiMount, CdiSpec, ContainerEdits } from "./spec.ts";

const VERSIONS = ["0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0"];
const KIND = /^[A-Za-z](?:[\w.-]*[A-Za-z0-9])?\/[A-Za-z](?:[\w.-]*[A-Za-z0-9])?$/;
const DEVICE = /^[A-Za-z0-9](?:[\w.:-]*[A-Za-z0-9])?$/;
const TYPES: readonly LinuxDevice["type"][] = ["b", "c", "u", "p"];
const POINTS: readonly HookPoint[] = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
];

/** Throws `invalid_argument`. */
export function decodeCdiSpec(document: unknown): CdiSpec {
  const fields = known(document, "", ["cdiVersion", "kind", "annotations", "devices", "containerEdits"]);
  const version = fields.str("cdiVersion");
  if (!VERSIONS.includes(version)) throw wrong(`unknown CDI version ${JSON.stringify(version.slice(0, 40))}`);
  const kind = fields.str("kind");
  if (!KIND.test(kind)) throw wrong(`invalid kind ${JSON.stringify(kind.slice(0, 100))}`);
  const devices = fields.list("devices", (value, path) => {
    const device = known(value, path, ["name", "annotations", "containerEdits"]);
    const name = device.str("name");
    if (!DEVICE.test(name))
      throw wrong(`"${path}" has an invalid name ${JSON.stringify(name.slice(0, 100))}`);
    return { name, edits: decodeEdits(device) };
  });
  if (devices === null || devices.length === 0) throw wrong("it has no devices");
  const names = devices.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw wrong(`it has the device "${twice}" twice`);
  return { kind, devices, edits: decodeEdits(fields) };
}

function decodeEdits(owner: Fields): ContainerEdits {
  const path = owner.at("containerEdits");
  const fields = known(owner.raw("containerEdits") ?? {}, path, [
    "env",
    "deviceNodes",
    "mounts",
    "hooks",
    "additionalGids",
    "intelRdt",
  ]);
  return {
    env: fields.list("env", decodeVariable) ?? [],
    deviceNodes: fields.list("deviceNodes", decodeNode) ?? [],
    mounts: fields.list("mounts", decodeMount) ?? [],
    hooks: fields.list("hooks", decodeHook) ?? [],
    additionalGids: fields.list("additionalGids", (value, at) => numberOf(value, at, 0xffff_fffe)) ?? [],
    intelRdt: fields.has("intelRdt")
      ? decodeIntelRdt(new Fields(fields.raw("intelRdt"), fields.at("intelRdt")))
      : undefined,
  };
}

function decodeVariable(value: unknown, path: string): string {
  const text = clean(value, path);
  if (text.indexOf("=") < 1) throw wrong(`"${path}" is not NAME=VALUE`);
  return text;
}

function decodeNode(value: unknown, path: string): CdiDeviceNode {
  const fields = known(value, path, [
    "path",
    "hostPath",
    "type",
    "major",
    "minor",
    "fileMode",
    "permissions",
    "uid",
    "gid",
  ]);
  const inContainer = absolute(fields, "path");
  const access = fields.str("permissions", "rwm");
  if (!/^[rwm]+$/.test(access))
    throw wrong(`"${fields.at("permissions")}" has other letters than r, w and m`);
  const type = fields.str("type");
  const known_ = TYPES.find((one) => one === type);
  if (known_ === undefined && type !== "") throw wrong(`"${fields.at("type")}" is none of b, c, u and p`);
  const number = (key: string, max: number): number | undefined =>
    fields.has(key) ? numberOf(fields.raw(key), fields.at(key), max) : undefined;
  return {
    path: inContainer,
    hostPath: fields.has("hostPath") ? absolute(fields, "hostPath") : inContainer,
    access,
    ...defined({
      type: known_,
      major: number("major", 0xffff_ffff),
      minor: number("minor", 0xffff_ffff),
      fileMode: number("fileMode", 0o7777),
      uid: number("uid", 0xffff_fffe),
      gid: number("gid", 0xffff_fffe),
    }),
  };
}

function decodeMount(value: unknown, path: string): CdiMount {
  const fields = known(value, path, ["hostPath", "containerPath", "options", "type"]);
  const type = fields.str("type");
  return {
    // A file system that is no bind mount has no path there.
    hostPath: type === "" || type === "bind" ? absolute(fields, "hostPath") : required(fields, "hostPath"),
    containerPath: absolute(fields, "containerPath"),
    type,
    options: fields.list("options", clean) ?? [],
  };
}

function decodeHook(value: unknown, path: string): ContainerEdits["hooks"][number] {
  const fields = known(value, path, ["hookName", "path", "args", "env", "timeout"]);
  const name = fields.str("hookName");
  const point = POINTS.find((one) => one === name);
  if (point === undefined)
    throw wrong(`"${fields.at("hookName")}" is no hook: ${JSON.stringify(name.slice(0, 40))}`);
  const timeout = fields.has("timeout")
    ? numberOf(fields.raw("timeout"), fields.at("timeout"), 0xffff_ffff)
    : 0;
  const hook = defined({
    path: absolute(fields, "path"),
    args: fields.list("args", clean) ?? undefined,
    env: fields.list("env", decodeVariable) ?? undefined,
    timeout: timeout === 0 ? undefined : timeout,
  });
  return { point, hook };
}

/** An unknown field may ask for what would be left out. */
function known(value: unknown, path: string, keys: readonly string[]): Fields {
  const fields = new Fields(value, path);
  const names = typeof value === "object" && value !== null ? Object.keys(value) : [];
  const other = names.find((name) => !keys.includes(name));
  if (other !== undefined) throw wrong(`unknown field "${fields.at(other).slice(0, 200)}"`);
  return fields;
}

function required(fields: Fields, key: string): string {
  const text = clean(fields.raw(key) ?? "", fields.at(key));
  if (text === "") throw wrong(`"${fields.at(key)}" is missing or empty`);
  return text;
}

function absolute(fields: Fields, key: string): string {
  const text = required(fields, key);
  if (!text.startsWith("/")) throw wrong(`"${fields.at(key)}" is not an absolute path`);
  return text;
}

function clean(value: unknown, path: string): string {
  const text = asString(value, path);
  if (text.includes("\0")) throw wrong(`"${path}" has a NUL byte in it`);
  return text;
}

function numberOf(value: unknown, path: string, max: number): number {
  const number = asInt(value, path);
  if (number < 0 || number > max) throw wrong(`"${path}" is not from 0 to ${max}`);
  return number;
}

function wrong(message: string): Error {
  return fail("invalid_argument", message);
}
