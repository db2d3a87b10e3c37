import { describe, expect, test } from "bun:test";
import type { LinuxDeviceRule } from "../specs/oci-runtime/resources.ts";
import { compileDeviceProgram, DEVCG } from "./device-bpf.ts";
import { checkDeviceRulesV1, type DeviceRule, deviceRuleText, effectiveDeviceRules } from "./device-rules.ts";
import { runDeviceProgram } from "./testing/bpf.ts";

const texts = (rules: readonly LinuxDeviceRule[]): string[] =>
  effectiveDeviceRules(rules).map((rule) => `${rule.allow ? "+" : "-"}${deviceRuleText(rule)}`);

describe("effectiveDeviceRules()", () => {
  test("denies everything first when nobody says so", () => {
    const [first, ...rest] = texts([]);
    expect(first).toBe("-a");
    expect(rest).toContain("+c 1:3 rwm");
    expect(rest).toContain("+c 136:* rwm");
    expect(rest.every((text) => text.startsWith("+"))).toBe(true);
  });

  test("forgets what stands before the last rule for everything", () => {
    const rules = texts([
      { allow: true, access: "rwm" },
      { allow: true, type: "b", major: 8, minor: 0, access: "rwm" },
      { allow: false, access: "rwm" },
    ]);
    expect(rules[0]).toBe("-a");
    expect(rules).not.toContain("+b 8:0 rwm");
  });

  test("is one word for a container that may do everything", () => {
    expect(texts([{ allow: false }, { allow: true }])).toEqual(["+a"]);
  });

  test("keeps the last of rules for the same", () => {
    const rules = texts([
      { allow: true, type: "c", major: 10, minor: 229, access: "rwm" },
      { allow: false, type: "c", major: 10, minor: 229, access: "mwr" },
      { allow: true, type: "c", major: 42, minor: -1 },
    ]);
    expect(rules.filter((text) => text.includes("10:229"))).toEqual(["-c 10:229 rwm"]);
    expect(rules).toContain("+c 42:* rwm");
  });

  test.each<LinuxDeviceRule>([
    { allow: true, access: "x" },
    { allow: true, access: "" },
    { allow: true, type: "a", major: 1 },
  ])("refuses %o", (rule) => {
    expect(() => effectiveDeviceRules([rule])).toThrow();
  });
});

describe("checkDeviceRulesV1()", () => {
  test("refuses a denial that the kernel would ignore", () => {
    const rules = effectiveDeviceRules([
      { allow: true, type: "c", major: 10, access: "rw" },
      { allow: false, type: "c", major: 10, minor: 229, access: "r" },
    ]);
    expect(() => checkDeviceRulesV1(rules)).toThrow('"c 10:229 r" cannot take back a part of "c 10:* rw"');
  });

  test("accepts denials before, beside and in the very words of a permission", () => {
    const rules = effectiveDeviceRules([
      { allow: false, type: "c", major: 10, minor: 229 },
      { allow: true, type: "c", major: 10, access: "rw" },
      { allow: false, type: "b", major: 10, minor: 229 },
      { allow: false, type: "c", major: 10, minor: 200, access: "m" },
      { allow: true, type: "c", major: 7, minor: 1, access: "rw" },
      { allow: false, type: "c", major: 7, minor: 1, access: "w" },
    ]);
    expect(() => checkDeviceRulesV1(rules)).not.toThrow();
  });
});

/** Each bit is decided by the last rule that speaks of it. */
function reference(
  rules: readonly DeviceRule[],
  type: "c" | "b",
  major: number,
  minor: number,
  bits: string,
): boolean {
  return bits.split("").every((bit) => {
    const rule = rules.findLast(
      (candidate) =>
        (candidate.type === "a" || candidate.type === type) &&
        (candidate.major === undefined || candidate.major === major) &&
        (candidate.minor === undefined || candidate.minor === minor) &&
        candidate.access.includes(bit),
    );
    return rule?.allow ?? false;
  });
}

const LISTS: readonly (readonly LinuxDeviceRule[])[] = [
  [],
  [{ allow: true }],
  [
    { allow: false },
    { allow: true, type: "c", major: 10, access: "r" },
    { allow: true, type: "c", major: 10, minor: 229, access: "w" },
  ],
  [
    { allow: true },
    { allow: false, type: "b", access: "w" },
    { allow: false, type: "c", major: 1, minor: 3, access: "rw" },
  ],
  [
    { allow: true, type: "b", major: 8, access: "rwm" },
    { allow: false, type: "b", major: 8, minor: 1, access: "w" },
  ],
];

test.each(LISTS.map((rules) => [rules]))(
  "compileDeviceProgram() agrees with a plain evaluation of %j",
  (list) => {
    const rules = effectiveDeviceRules(list);
    const program = compileDeviceProgram(rules);
    for (const type of ["c", "b"] as const)
      for (const [major, minor] of [
        [1, 3],
        [1, 7],
        [5, 2],
        [8, 0],
        [8, 1],
        [10, 229],
        [10, 200],
        [136, 9],
        [259, 70000],
      ] as const)
        for (const bits of ["r", "w", "m", "rw", "rm", "wm", "rwm"]) {
          const access =
            (bits.includes("r") ? DEVCG.read : 0) |
            (bits.includes("w") ? DEVCG.write : 0) |
            (bits.includes("m") ? DEVCG.mknod : 0);
          const context = { type: type === "c" ? DEVCG.char : DEVCG.block, access, major, minor };
          expect([type, major, minor, bits, runDeviceProgram(program, context)]).toEqual([
            type,
            major,
            minor,
            bits,
            reference(rules, type, major, minor, bits),
          ]);
        }
  },
);
