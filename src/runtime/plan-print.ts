/** An init plan as text: what `gantry-runc plan` shows, and what the golden tests compare. */
import { createHash } from "node:crypto";
import { capabilityNames } from "../linux/capabilities.ts";
import { MOUNT_ATTR, PROPAGATION } from "../linux/mount-options.ts";
import { CLONE_NEW } from "../linux/namespaces.ts";
import { type DecodedOp, type DecodedPlan, decodePlan, encodePlan, type FieldValue } from "./plan-codec.ts";
import type { Plan } from "./plan.ts";

/** One line per step, with what travels to the C program: the plan is encoded and decoded for it. */
export function printPlan(plan: Plan): string {
  return printDecodedPlan(decodePlan(encodePlan(plan)));
}

export function printDecodedPlan(plan: DecodedPlan): string {
  const flags = (["join", "terminal", "hostPid", "foreign"] as const).filter((flag) => plan[flag]);
  const header = `plan namespaces=${cloneNames(plan.cloneFlags)}${flags.map((flag) => ` ${flag}`).join("")}`;
  return `${[header, ...plan.ops.map(printOp)].join("\n")}\n`;
}

function printOp({ layout, flags, fields }: DecodedOp): string {
  const who = layout.number < 16 ? "shim" : "init";
  const values = [...fields].map(([name, value]) => `${name}=${printField(name, value)}`);
  return [who, layout.kind, ...flags, ...values].join(" ");
}

function printField(name: string, value: FieldValue): string {
  if (typeof value === "bigint") return printBits(name, value);
  if (typeof value === "number") return printNumber(name, value);
  if (value instanceof Uint8Array) {
    if (name === "mask") return `0x${Buffer.from(value).reverse().toString("hex")}`;
    const digest = createHash("sha256").update(value).digest("hex").slice(0, 16);
    return `<${value.length / 8} instructions, sha256 ${digest}>`;
  }
  return JSON.stringify(value);
}

function printNumber(name: string, value: number): string {
  switch (name) {
    case "cloneFlag":
    case "cloneFlags":
      return cloneNames(value);
    case "mode":
    case "dirMode":
    case "mask":
      return `0${value.toString(8)}`;
    default:
      return String(value);
  }
}

function printBits(name: string, value: bigint): string {
  switch (name) {
    case "attrs":
    case "attrSet":
    case "attrClr":
    case "treeAttrSet":
    case "treeAttrClr":
      return attrNames(value);
    case "propagation":
      return propagationName(value);
    case "keepMask":
    case "permitted":
    case "effective":
    case "inheritable":
    case "ambient":
      return capabilityNames(value)
        .map((capability) => capability.slice(4).toLowerCase())
        .join(",");
    default:
      return value === 0xffffffffffffffffn ? "unlimited" : String(value);
  }
}

function cloneNames(flags: number): string {
  return Object.entries(CLONE_NEW)
    .filter(([, flag]) => (flags & flag) !== 0)
    .map(([name]) => name)
    .join(",");
}

function attrNames(attrs: bigint): string {
  const plain = (["rdonly", "nosuid", "nodev", "noexec", "nodiratime", "nosymfollow"] as const).filter(
    (name) => (attrs & MOUNT_ATTR[name]) !== 0n,
  );
  const atime = attrs & MOUNT_ATTR.atimeMask;
  const atimeName = (["noatime", "strictatime"] as const).filter((name) => atime === MOUNT_ATTR[name]);
  return [...plain, ...atimeName, ...(atime === MOUNT_ATTR.atimeMask ? ["atime"] : [])].join(",");
}

function propagationName(propagation: bigint): string {
  const kinds = (["private", "slave", "shared", "unbindable"] as const).filter(
    (name) => (propagation & PROPAGATION[name]) !== 0n,
  );
  return `${(propagation & PROPAGATION.rec) === 0n ? "" : "r"}${kinds.join(",")}`;
}
