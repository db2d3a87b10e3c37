import { describe, expect, test } from "bun:test";
import { parseSecurityOptions } from "./security-options.ts";

const PLAIN = { selinux: false };

describe("parseSecurityOptions()", () => {
  test("asks for nothing by default", () => {
    expect(parseSecurityOptions([], PLAIN)).toEqual({
      seccomp: { kind: "default" },
      noNewPrivileges: false,
      systemPathsUnconfined: false,
      writableCgroups: false,
      apparmor: undefined,
    });
  });

  test.each<[string, object]>([
    ["no-new-privileges", { noNewPrivileges: true }],
    ["no-new-privileges=true", { noNewPrivileges: true }],
    ["no-new-privileges:1", { noNewPrivileges: true }],
    ["no-new-privileges=false", { noNewPrivileges: false }],
    ["writable-cgroups=true", { writableCgroups: true }],
    ["writable-cgroups=0", { writableCgroups: false }],
    ["systempaths=unconfined", { systemPathsUnconfined: true }],
    ["seccomp=unconfined", { seccomp: { kind: "unconfined" } }],
    ["seccomp:unconfined", { seccomp: { kind: "unconfined" } }],
    ["seccomp=builtin", { seccomp: { kind: "builtin" } }],
    ["apparmor=unconfined", { apparmor: "unconfined" }],
    ["apparmor=/usr/bin/my own", { apparmor: "/usr/bin/my own" }],
    ["label=disable", {}],
    ["label=level:s0:c1", {}],
    ["label:type:x_t", {}],
  ])("understands %s", (option, expected) => {
    expect(parseSecurityOptions([option], PLAIN)).toMatchObject(expected);
  });

  test("takes a profile's text", () => {
    const { seccomp } = parseSecurityOptions(['seccomp={"defaultAction":"SCMP_ACT_LOG"}'], PLAIN);
    expect(seccomp).toMatchObject({ kind: "profile", profile: { defaultAction: "SCMP_ACT_LOG" } });
  });

  test.each([
    ["foo", 'invalid --security-opt 1: "foo"'],
    ["foo=bar", 'invalid --security-opt 2: "foo=bar"'],
    ["seccomp", 'invalid --security-opt 1: "seccomp"'],
    ["seccomp=", 'invalid --security-opt 1: "seccomp="'],
    ["seccomp=/nonexistent", "decoding seccomp profile failed"],
    ["seccomp=Unconfined", "decoding seccomp profile failed"],
    ["no-new-privileges=maybe", 'invalid --security-opt 2: "no-new-privileges=maybe"'],
    ["systempaths=bar", 'invalid --security-opt 2: "systempaths=bar"'],
    ["apparmor=", 'invalid --security-opt 2: "apparmor="'],
    ["apparmor=mine\nunconfined", "invalid --security-opt 2"],
    ["apparmor= mine", "invalid --security-opt 2"],
    ["label=foo", 'invalid --security-opt 2: "label=foo"'],
    ["__proto__=1", "invalid --security-opt 2"],
  ])("refuses %s: nothing misspelt runs unconfined", (option, message) => {
    expect(() => parseSecurityOptions([option], PLAIN)).toThrow(message);
  });

  test("refuses by name what the host has and we cannot apply", () => {
    expect(() => parseSecurityOptions(["label=type:x_t"], { ...PLAIN, selinux: true })).toThrow("SELinux");
    expect(() => parseSecurityOptions(["label=disable"], { ...PLAIN, selinux: true })).not.toThrow();
  });
});
