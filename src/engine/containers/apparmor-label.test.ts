import { describe, expect, test } from "bun:test";
import { FACTS_V2 } from "../../linux/testing/facts.ts";
import { specInput } from "../testing/spec-input.ts";
import { apparmorProfile } from "./apparmor-label.ts";
import { buildSpec } from "./spec.ts";

const OFF = { apparmor: false, selinux: false };
const ON = { apparmor: true, selinux: false, apparmorDefault: "own" };

describe("apparmorProfile()", () => {
  test.each<[string, string[] | null, boolean, string]>([
    ["the engine's by default", null, false, "own"],
    ["none for a privileged container", null, true, "unconfined"],
    ["the one asked for", ["apparmor=mine"], false, "mine"],
    ["the one asked for, of a privileged container, too", ["apparmor:mine"], true, "mine"],
    ["none where that is asked for", ["apparmor=unconfined"], false, "unconfined"],
  ])("is %s", (_title, SecurityOpt, Privileged, expected) => {
    expect(apparmorProfile({ SecurityOpt, Privileged }, ON)).toBe(expected);
    expect(apparmorProfile({ SecurityOpt, Privileged }, OFF)).toBeUndefined();
  });

  test("is left out where the engine's own could not be loaded", () => {
    const facts = { apparmor: true, selinux: false };
    expect(apparmorProfile({ SecurityOpt: null, Privileged: false }, facts)).toBeUndefined();
    expect(apparmorProfile({ SecurityOpt: ["apparmor=mine"], Privileged: false }, facts)).toBe("mine");
  });

  test("is in the specification", () => {
    const facts = { ...FACTS_V2, apparmor: true, apparmorDefault: "own" };
    expect(buildSpec(specInput({}, { facts })).process?.apparmorProfile).toBe("own");
    expect(buildSpec(specInput({}, { facts: FACTS_V2 })).process?.apparmorProfile).toBeUndefined();
  });
});
