import { describe, expect, test } from "bun:test";
import { capabilityMask, capabilityNames, chooseCapabilities, DEFAULT_CAPABILITIES } from "./capabilities.ts";

const ALL = (1n << 41n) - 1n;
const choose = (add: string[], drop: string[], privileged = false, available = ALL): string[] =>
  capabilityNames(chooseCapabilities({ add, drop, privileged }, available));

test("the default capabilities are the mask that Docker's containers have", () => {
  expect(capabilityMask(DEFAULT_CAPABILITIES)).toBe(0xa80425fbn);
});

test("names and masks go both ways", () => {
  expect(capabilityMask(["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"])).toBe(1n | (1n << 40n));
  expect(capabilityNames(ALL)).toHaveLength(41);
  expect(capabilityMask(capabilityNames(ALL))).toBe(ALL);
  expect(() => capabilityMask(["chown"])).toThrow('unknown capability: "chown"');
});

describe("chooseCapabilities()", () => {
  const defaults = choose([], []);

  test("gives the default ones when nothing is asked", () => {
    expect(defaults.toSorted()).toEqual([...DEFAULT_CAPABILITIES].toSorted());
  });

  test("adds and drops, in any spelling", () => {
    const chosen = choose(["net_admin", "CAP_SYS_TIME"], ["Chown", "cap_kill"]);
    expect(chosen).toContain("CAP_NET_ADMIN");
    expect(chosen).toContain("CAP_SYS_TIME");
    expect(chosen).not.toContain("CAP_CHOWN");
    expect(chosen).not.toContain("CAP_KILL");
    expect(chosen).toHaveLength(defaults.length);
  });

  test("lets an addition win over the same name dropped", () => {
    expect(choose(["CHOWN"], ["CHOWN"])).toContain("CAP_CHOWN");
  });

  test("takes ALL minus what is dropped", () => {
    expect(choose(["all"], ["SYS_ADMIN"])).toEqual(capabilityNames(ALL & ~(1n << 21n)));
    expect(choose(["ALL"], ["ALL"])).toEqual(capabilityNames(ALL));
  });

  test("drops ALL but what is added", () => {
    expect(choose([], ["ALL"])).toEqual([]);
    expect(choose(["NET_BIND_SERVICE"], ["ALL"])).toEqual(["CAP_NET_BIND_SERVICE"]);
  });

  test("gives a privileged container everything that is available", () => {
    const available = ALL & ~(1n << 24n);
    expect(choose([], ["ALL"], true, available)).toEqual(capabilityNames(available));
    expect(choose(["ALL"], [], false, available)).toEqual(capabilityNames(available));
  });

  test("leaves out default ones that are not available", () => {
    expect(choose([], [], false, ALL & ~1n)).not.toContain("CAP_CHOWN");
  });

  test.each<[string[], string[], string]>([
    [["foo"], [], 'invalid CapAdd: unknown capability: "CAP_FOO"'],
    [["ALL", "foo"], [], 'invalid CapAdd: unknown capability: "CAP_FOO"'],
    [[], ["cap_all"], 'invalid CapDrop: unknown capability: "CAP_ALL"'],
    [[], ["constructor"], 'invalid CapDrop: unknown capability: "CAP_CONSTRUCTOR"'],
    [
      ["SYS_RESOURCE"],
      [],
      'invalid CapAdd: capability not supported by your kernel or not available in the current environment: "CAP_SYS_RESOURCE"',
    ],
  ])("refuses +%j -%j in Docker's words", (add, drop, message) => {
    expect(() => choose(add, drop, false, ALL & ~(1n << 24n))).toThrow(message);
    expect(() => choose(add, drop, true, ALL & ~(1n << 24n))).toThrow(message);
  });
});
