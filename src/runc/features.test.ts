import { describe, expect, test } from "bun:test";
import { parseMountOptions } from "../linux/mount-options.ts";
import { compileSeccomp } from "../linux/seccomp-compile.ts";
import { decodeSpec } from "../specs/oci-runtime/decode.ts";
import { HOOKS, MOUNT_OPTIONS, NAMESPACES, SECCOMP } from "./features.ts";

const spec = (linux: object, more: object = {}): string =>
  JSON.stringify({ ociVersion: "1.2.0", linux, ...more });

describe("what `features` lists is taken", () => {
  test.each(MOUNT_OPTIONS)("mount option %s", (option) => {
    expect(parseMountOptions([option]).data).toEqual([]);
  });

  test("an option that nobody knows would show as one for the file system", () => {
    expect(parseMountOptions(["nonsense"]).data).toEqual(["nonsense"]);
  });

  test.each(NAMESPACES)("namespace %s", (type) => {
    expect(decodeSpec(spec({ namespaces: [{ type }] })).linux?.namespaces).toEqual([{ type }]);
  });

  test.each(HOOKS)("hook %s", (point) => {
    expect(decodeSpec(spec({}, { hooks: { [point]: [{ path: "/x" }] } })).hooks?.[point]).toHaveLength(1);
  });

  test.each(SECCOMP.archs)("seccomp architecture %s", (architecture) => {
    const seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures: [architecture] } as const;
    expect(compileSeccomp(seccomp, "x86_64").filter.length).toBeGreaterThan(0);
  });

  test.each(SECCOMP.actions)("seccomp action %s", (action) => {
    const seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["mkdir"], action }] } as const;
    expect(compileSeccomp(seccomp, "x86_64").filter.length).toBeGreaterThan(0);
  });

  test.each(SECCOMP.operators)("seccomp operator %s", (op) => {
    const args = [{ index: 0, value: 1n, valueTwo: 1n, op }];
    const syscalls = [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO", args }] as const;
    const seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls } as const;
    expect(compileSeccomp(seccomp, "x86_64").filter.length).toBeGreaterThan(0);
  });

  test.each(SECCOMP.flags)("seccomp flag %s", (flag) => {
    const seccomp = { defaultAction: "SCMP_ACT_ALLOW", flags: [flag] } as const;
    // TSYNC is what loading a filter in a single thread does anyway.
    const { filterFlags } = compileSeccomp(seccomp, "x86_64");
    expect(filterFlags > 0).toBe(flag !== "SECCOMP_FILTER_FLAG_TSYNC");
  });
});
