/** The kernel's own word on our filters: they are loaded into a child that makes one call. */
import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdirSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "bun:test";
import { capabilityMask, DEFAULT_CAPABILITIES } from "../../../src/linux/capabilities.ts";
import { compileSeccomp } from "../../../src/linux/seccomp-compile.ts";
import { defaultSeccomp } from "../../../src/linux/seccomp-profile.ts";
import { syscallTable } from "../../../src/linux/syscall-table.ts";
import { FACTS_V1 } from "../../../src/linux/testing/facts.ts";
import type { Seccomp, SeccompAction, SeccompArg } from "../../../src/specs/oci-runtime/spec.ts";
import { describeWith } from "../../support/requires.ts";
import { until } from "../../support/until.ts";

const build = join(import.meta.dirname, "../../../build");
const judge = join(build, "seccomp-judge");
const number = (name: string): number => syscallTable("x86_64").get(name) ?? Number.NaN;
const number32 = (name: string): number => syscallTable("x86").get(name) ?? Number.NaN;
const X32_BIT = 0x40000000;
const SIGSYS = 31;

/** What became of the call. */
function outcome(profile: Seccomp, how: string, call: number, ...args: (number | bigint)[]): string {
  const { filter, filterFlags } = compileSeccomp(profile, "x86_64");
  const command = [filterFlags, how, call, ...args].map(String);
  const { status, stdout, stderr } = spawnSync(judge, command, { input: filter, timeout: 20_000 });
  if (status !== 0) throw new Error(`status ${status}: ${stderr.toString()}`);
  return stdout.toString().trim();
}

/** getppid answers so, everything else is allowed. */
function deny(action: SeccompAction, errnoRet?: number, args?: SeccompArg[]): Seccomp {
  const rule = { names: ["getppid"], action, ...(args && { args }), ...(errnoRet && { errnoRet }) };
  return { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86"], syscalls: [rule] };
}

describeWith("the kernel with our filters", ["cc", "x86_64"], () => {
  const getppid = number("getppid");

  beforeAll(() => {
    mkdirSync(build, { recursive: true });
    const source = join(import.meta.dirname, "../../support/seccomp-judge.c");
    const flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"];
    const { status, stderr } = spawnSync("cc", [...flags, source, "-pthread", "-o", judge]);
    if (status !== 0) throw new Error(stderr.toString());
  });

  test("lets calls happen, answers errors, kills", () => {
    expect(outcome(deny("SCMP_ACT_KILL_PROCESS"), "call", number("umask"), 0o22)).toMatch(/^returned \d+$/);
    expect(outcome(deny("SCMP_ACT_ERRNO", 77), "call", getppid)).toBe("returned -77");
    expect(outcome(deny("SCMP_ACT_ERRNO"), "call", getppid)).toBe("returned -1");
    expect(outcome(deny("SCMP_ACT_KILL_PROCESS"), "call", getppid)).toBe(`signal ${SIGSYS}`);
  });

  test("kills one thread or all of them", () => {
    expect(outcome(deny("SCMP_ACT_KILL_THREAD"), "thread", getppid)).toBe("thread died");
    expect(outcome(deny("SCMP_ACT_KILL_PROCESS"), "thread", getppid)).toBe(`signal ${SIGSYS}`);
  });

  test("traps, asks a tracer and a supervisor", () => {
    expect(outcome(deny("SCMP_ACT_TRAP"), "call", getppid)).toBe(`trapped ${getppid} 0 c000003e`);
    expect(outcome(deny("SCMP_ACT_TRACE", 4711), "traced", getppid)).toMatch(
      /^traced 4711 then returned \d+$/,
    );
    expect(outcome(deny("SCMP_ACT_TRACE"), "call", getppid)).toBe("returned -38");
    expect(outcome(deny("SCMP_ACT_NOTIFY"), "supervised", getppid)).toBe(
      `supervised ${getppid} then returned 4242`,
    );
    const flags = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "SECCOMP_FILTER_FLAG_TSYNC"];
    expect(outcome({ ...deny("SCMP_ACT_NOTIFY"), flags }, "supervised", getppid)).toContain("4242");
  });

  test("takes every flag that needs no supervisor", () => {
    const flags = ["TSYNC", "LOG", "SPEC_ALLOW"].map((flag) => `SECCOMP_FILTER_FLAG_${flag}`);
    expect(outcome({ ...deny("SCMP_ACT_ERRNO", 5), flags }, "call", getppid)).toBe("returned -5");
  });

  test("compares all 64 bits of an argument", () => {
    const profile = deny("SCMP_ACT_ERRNO", 5, [{ index: 3, op: "SCMP_CMP_GT", value: 0x1_0000_0005n }]);
    expect(outcome(profile, "call", getppid, 0, 0, 0, 0x1_0000_0005n)).toMatch(/^returned \d/);
    expect(outcome(profile, "call", getppid, 0, 0, 0, 0x1_0000_0006n)).toBe("returned -5");
    expect(outcome(profile, "call", getppid, 0, 0, 0, 0x7fffffffffffffffn)).toBe("returned -5");
    expect(outcome(profile, "call", getppid, 0, 0, 0, 0xffff_ffffn)).toMatch(/^returned \d/);
  });

  test("knows 32-bit calls as such: the same number is another call there", () => {
    // 64 is x86's getppid and x86_64's semget.
    expect(outcome(deny("SCMP_ACT_ERRNO", 77), "int80", number32("getppid"))).toBe("returned -77");
    expect(outcome(deny("SCMP_ACT_ERRNO", 77), "call", number32("getppid"))).not.toBe("returned -77");
    const unlisted: Seccomp = { defaultAction: "SCMP_ACT_ALLOW" };
    expect(outcome(unlisted, "int80", number32("getppid"))).toBe(`signal ${SIGSYS}`);
  });

  test("stops AF_ALG on the way through socketcall, whose arguments no filter sees", () => {
    const noAlg: Seccomp = {
      ...deny("SCMP_ACT_ERRNO"),
      syscalls: [
        {
          names: ["socket"],
          action: "SCMP_ACT_ERRNO",
          errnoRet: 77,
          args: [{ index: 0, op: "SCMP_CMP_EQ", value: 38n }],
        },
      ],
    };
    const socket = 1;
    expect(outcome(noAlg, "call", number("socket"), 38, 5, 0)).toBe("returned -77");
    expect(outcome(noAlg, "int80", number32("socket"), 38, 5, 0)).toBe("returned -77");
    expect(outcome(noAlg, "socketcall", socket, 38, 5, 0)).toBe("returned -77");
    expect(outcome(noAlg, "call", number("socket"), 1, 1, 0)).toMatch(/^returned \d/);
  });

  test("kills x32 calls that are not listed, and answers those that are", () => {
    expect(outcome(deny("SCMP_ACT_ERRNO", 77), "call", getppid + X32_BIT)).toBe(`signal ${SIGSYS}`);
    const listed = { ...deny("SCMP_ACT_ERRNO", 77), architectures: ["SCMP_ARCH_X32"] };
    expect(outcome(listed, "call", getppid + X32_BIT)).toBe("returned -77");
  });

  test("runs the default profile", () => {
    const capabilities = capabilityMask(DEFAULT_CAPABILITIES);
    const profile = defaultSeccomp({ capabilities, facts: FACTS_V1 });
    expect(outcome(profile, "call", number("getppid"))).toMatch(/^returned \d+$/);
    expect(outcome(profile, "call", number("kexec_load"))).toBe("returned -1");
    expect(outcome(profile, "call", number("clone3"))).toBe("returned -38");
    expect(outcome(profile, "call", 1000)).toBe("returned -38");
    expect(outcome(profile, "call", number("socket"), 38, 5, 0)).toBe("returned -1");
    expect(outcome(profile, "call", number("unshare"), 0x10000000)).toBe("returned -1");
    expect(outcome(profile, "int80", number32("getppid"))).toMatch(/^returned \d+$/);
    expect(outcome(profile, "int80", number32("kexec_load"))).toBe("returned -1");
    expect(outcome(profile, "call", number("mount") + X32_BIT)).toBe("returned -1");
  });
});

describeWith("the kernel's log", ["cc", "x86_64", "kernel log"], () => {
  test("has a line of a call that the filter lets happen with LOG", async () => {
    const log = openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const lines = (): string[] => {
        const found: string[] = [];
        const buffer = Buffer.alloc(8192);
        for (;;) {
          try {
            found.push(buffer.toString("latin1", 0, readSync(log, buffer)));
          } catch (error) {
            const code = error instanceof Error && "code" in error ? error.code : "";
            if (code === "EPIPE") continue; // overwritten while we read
            if (code === "EAGAIN") return found;
            throw error;
          }
        }
      };
      lines();
      // The kernel writes the line a moment later, and leaves some out when they come fast: up to a handful in 5 s.
      const isThere = (): boolean =>
        lines().some(
          (line) =>
            line.includes("type=1326") &&
            line.includes("code=0x7ffc0000") &&
            line.includes(`syscall=${number("getppid")} `),
        );
      let last = 0;
      await until(
        "the record",
        () => {
          if (performance.now() - last > 1000) {
            expect(outcome(deny("SCMP_ACT_LOG"), "call", number("getppid"))).toMatch(/^returned \d+$/);
            last = performance.now();
          }
          return isThere();
        },
        15_000,
      );
    } finally {
      closeSync(log);
    }
  });
});
