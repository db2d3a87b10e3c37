/** Which device numbers a container may use: rules of the OCI specification, brought into a short ordered list. */
import { fail } from "../base/errors.ts";
import type { LinuxDeviceRule } from "../specs/oci-runtime/resources.ts";

export interface DeviceRule {
  readonly allow: boolean;
  readonly type: "a" | "c" | "b";
  /** undefined = any */
  readonly major: number | undefined;
  readonly minor: number | undefined;
  readonly access: string;
}

/** What every container needs whatever its list says: the default nodes, its terminals, and making nodes (not using them). */
const ALWAYS: readonly DeviceRule[] = [
  { allow: true, type: "c", major: undefined, minor: undefined, access: "m" },
  { allow: true, type: "b", major: undefined, minor: undefined, access: "m" },
  ...[3, 5, 7, 8, 9].map((minor) => ({ allow: true, type: "c", major: 1, minor, access: "rwm" }) as const),
  { allow: true, type: "c", major: 5, minor: 0, access: "rwm" },
  { allow: true, type: "c", major: 5, minor: 2, access: "rwm" },
  { allow: true, type: "c", major: 136, minor: undefined, access: "rwm" },
];

/**
 * The rules to apply, in order; the later one wins. The first always denies or allows everything, so nothing depends on
 * what the parent cgroup allows, and without any rule everything is denied.
 */
export function effectiveDeviceRules(rules: readonly LinuxDeviceRule[]): DeviceRule[] {
  const wanted = rules.map(checked);
  const start = wanted.findLastIndex(isEverything);
  const first = wanted[start];
  if (first?.allow === true && start === wanted.length - 1) return [first];
  const denyAll: DeviceRule = { allow: false, type: "a", major: undefined, minor: undefined, access: "rwm" };
  return [first ?? denyAll, ...withoutRepeats([...wanted.slice(start + 1), ...ALWAYS])];
}

/** As the kernel's v1 files take it: "c 1:3 rwm". */
export function deviceRuleText(rule: DeviceRule): string {
  if (rule.type === "a") return "a";
  return `${rule.type} ${rule.major ?? "*"}:${rule.minor ?? "*"} ${rule.access}`;
}

function checked(rule: LinuxDeviceRule): DeviceRule {
  const access = rule.access ?? "rwm";
  if (!/^[rwm]{1,3}$/.test(access)) throw fail("invalid_argument", `invalid device access "${access}"`);
  const checkedRule: DeviceRule = {
    allow: rule.allow,
    type: rule.type ?? "a",
    major: anyOr(rule.major),
    minor: anyOr(rule.minor),
    access: ["r", "w", "m"].filter((letter) => access.includes(letter)).join(""),
  };
  if (checkedRule.type === "a" && !isEverything(checkedRule))
    throw fail("invalid_argument", `a device rule for all types must be for all devices and "rwm"`);
  return checkedRule;
}

/** -1 means any, too. */
function anyOr(number: number | undefined): number | undefined {
  return number === undefined || number === -1 ? undefined : number;
}

function isEverything(rule: DeviceRule): boolean {
  return rule.type === "a" && rule.major === undefined && rule.minor === undefined && rule.access === "rwm";
}

/** Of rules for the very same thing only the last one counts. */
function withoutRepeats(rules: readonly DeviceRule[]): DeviceRule[] {
  const keys = rules.map(deviceRuleText);
  return rules.filter((_, i) => keys.lastIndexOf(keys[i] ?? "") === i);
}

/**
 * Throws `invalid_argument` for a list that v1's devices controller would not obey: there a denial takes back only what
 * was allowed in exactly the same words, so one inside a wider permission would be ignored.
 */
export function checkDeviceRulesV1(rules: readonly DeviceRule[]): void {
  if (rules[0]?.allow === true) return;
  rules.forEach((denial, i) => {
    if (denial.allow || denial.type === "a") return;
    const wider = rules.slice(0, i).find((rule) => rule.allow && isInside(denial, rule));
    if (wider !== undefined)
      throw fail(
        "invalid_argument",
        `device rule "${deviceRuleText(denial)}" cannot take back a part of "${deviceRuleText(wider)}" on cgroup v1`,
      );
  });
}

function isInside(rule: DeviceRule, other: DeviceRule): boolean {
  const overlaps =
    rule.type === other.type &&
    rule.access.split("").some((letter) => other.access.includes(letter)) &&
    (rule.major === other.major || rule.major === undefined || other.major === undefined) &&
    (rule.minor === other.minor || rule.minor === undefined || other.minor === undefined);
  return overlaps && (rule.major !== other.major || rule.minor !== other.minor);
}
