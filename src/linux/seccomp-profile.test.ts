import { describe, expect, test } from "bun:test";
import type { Seccomp } from "../specs/oci-runtime/spec.ts";
import { capabilityMask, DEFAULT_CAPABILITIES } from "./capabilities.ts";
import type { HostFacts } from "./host-facts.ts";
import { AUDIT_ARCH, compileSeccomp } from "./seccomp-compile.ts";
import { decodeProfile } from "./seccomp-profile-decode.ts";
import { defaultSeccomp, resolveProfile } from "./seccomp-profile.ts";
import { type SyscallAbi, syscallTable } from "./syscall-table.ts";
import { runSeccomp } from "./testing/bpf.ts";
import { FACTS_V1 } from "./testing/facts.ts";

const ALLOW = 0x7fff0000;
const EPERM = 0x00050001;
const ENOSYS = 0x00050026;
const EOPNOTSUPP = 0x0005005f;
const DEFAULT = capabilityMask(DEFAULT_CAPABILITIES);

const profileWith = (capabilities: bigint, facts: HostFacts = FACTS_V1): Seccomp =>
  defaultSeccomp({ capabilities, facts });

function answer(seccomp: Seccomp, call: string, ...args: bigint[]): number {
  const number = syscallTable("x86_64").get(call) ?? Number.NaN;
  return runSeccomp(compileSeccomp(seccomp, "x86_64").filter, {
    number,
    architecture: AUDIT_ARCH.x86_64,
    args,
  }).ret;
}

describe("the default profile", () => {
  const seccomp = profileWith(DEFAULT);

  test.each([
    "keyctl",
    "add_key",
    "request_key",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "kexec_load",
    "kexec_file_load",
    "open_by_handle_at",
    "mount",
    "umount2",
    "move_mount",
    "open_tree",
    "fsopen",
    "pivot_root",
    "unshare",
    "setns",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "init_module",
    "finit_module",
    "delete_module",
    "acct",
    "swapon",
    "swapoff",
    "reboot",
    "settimeofday",
    "clock_settime",
    "syslog",
    "quotactl",
    "lookup_dcookie",
    "iopl",
    "ioperm",
    "nfsservctl",
    "vhangup",
    "uselib",
    "ustat",
    "sysfs",
    "_sysctl",
    "kcmp",
    "process_madvise",
    "pidfd_getfd",
    "mbind",
    "set_mempolicy",
    "get_mempolicy",
    "move_pages",
    "migrate_pages",
    "create_module",
    "fanotify_init",
  ])("forbids %s", (call) => {
    expect(answer(seccomp, call)).toBe(EPERM);
  });

  test.each([
    "read",
    "openat2",
    "execve",
    "chroot",
    "ptrace",
    "prctl",
    "seccomp",
    "statmount",
    "setxattrat",
    "arch_prctl",
  ])("allows %s", (call) => {
    expect(answer(seccomp, call)).toBe(ALLOW);
  });

  test("allows threads but no namespaces, and sends clone3 back to clone", () => {
    expect(answer(seccomp, "clone", 0x3d0f00n)).toBe(ALLOW);
    for (const flag of [0x20000n, 0x2000000n, 0x4000000n, 0x8000000n, 0x10000000n, 0x20000000n, 0x40000000n])
      expect(answer(seccomp, "clone", 0x11n | flag)).toBe(EPERM);
    expect(answer(seccomp, "clone3")).toBe(ENOSYS);
  });

  test("allows sockets of ordinary families only", () => {
    const allowed = Array.from({ length: 64 }, (_, family) => family).filter(
      (family) => answer(seccomp, "socket", BigInt(family)) === ALLOW,
    );
    expect(allowed).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33,
      35, 36, 39, 41, 42, 43, 44, 45,
    ]);
    expect(answer(seccomp, "socket", (1n << 32n) | 2n)).toBe(EPERM);
  });

  test("allows five personalities", () => {
    for (const value of [0n, 8n, 0x20000n, 0x20008n, 0xffffffffn])
      expect(answer(seccomp, "personality", value)).toBe(ALLOW);
    for (const value of [1n, 0x40000n, 0xffffffffffffffffn])
      expect(answer(seccomp, "personality", value)).toBe(EPERM);
  });

  test("answers ENOSYS to calls that are newer than itself", () => {
    const { filter } = compileSeccomp(seccomp, "x86_64");
    const ret = (number: number): number =>
      runSeccomp(filter, { number, architecture: AUDIT_ARCH.x86_64, args: [] }).ret;
    expect(ret(467)).toBe(ENOSYS);
    expect(ret(1000)).toBe(ENOSYS);
  });

  test.each([
    ["CAP_SYS_ADMIN", ["mount", "clone3", "setns", "bpf"]],
    ["CAP_SYS_MODULE", ["init_module"]],
    ["CAP_SYS_PTRACE", ["kcmp", "pidfd_getfd"]],
    ["CAP_SYS_TIME", ["settimeofday"]],
    ["CAP_BPF", ["bpf"]],
    ["CAP_PERFMON", ["perf_event_open"]],
    ["CAP_SYSLOG", ["syslog"]],
    ["CAP_DAC_READ_SEARCH", ["open_by_handle_at"]],
  ])("unlocks with %s what that is for", (capability, calls) => {
    const more = profileWith(DEFAULT | capabilityMask([capability]));
    for (const call of calls) expect(answer(more, call)).toBe(ALLOW);
    expect(answer(more, "kexec_load")).toBe(EPERM);
  });

  test("closes chroot without CAP_SYS_CHROOT, and ptrace before 4.8", () => {
    expect(answer(profileWith(0n), "chroot")).toBe(EPERM);
    expect(answer(profileWith(DEFAULT, { ...FACTS_V1, kernelRelease: "4.7.10-x" }), "ptrace")).toBe(EPERM);
    expect(answer(profileWith(DEFAULT, { ...FACTS_V1, kernelRelease: "4.10.1" }), "ptrace")).toBe(ALLOW);
  });

  test("keeps files in their project, where that limits them: other requests are answered as ever", () => {
    const kept = defaultSeccomp({ capabilities: DEFAULT, facts: FACTS_V1 }, "kept");
    const [FSSETXATTR, SETFLAGS, FSGETXATTR, TCGETS] = [0x401c5820n, 0x40086602n, 0x801c581fn, 0x5401n];
    for (const request of [FSSETXATTR, SETFLAGS, FSSETXATTR | (1n << 32n), SETFLAGS | (1n << 63n)]) {
      expect(answer(kept, "ioctl", 3n, request)).toBe(EOPNOTSUPP);
      expect(answer(seccomp, "ioctl", 3n, request)).toBe(ALLOW);
    }
    for (const request of [FSGETXATTR, TCGETS, 0n, FSSETXATTR + 1n, 0xffff_ffff_ffff_ffffn])
      expect(answer(kept, "ioctl", 3n, request)).toBe(ALLOW);
    const ofX86 = (request: bigint): number =>
      runSeccomp(compileSeccomp(kept, "x86_64").filter, {
        number: syscallTable("x86").get("ioctl") ?? Number.NaN,
        architecture: AUDIT_ARCH.x86,
        args: [3n, request],
      }).ret;
    expect([FSSETXATTR, 0x40046602n, TCGETS].map(ofX86)).toEqual([EOPNOTSUPP, EOPNOTSUPP, ALLOW]);
    expect(answer(kept, "file_setattr")).toBe(ENOSYS);
    expect(answer(kept, "read")).toBe(ALLOW);
  });

  test("is the same object for the same container, so that it is compiled once", () => {
    expect(profileWith(DEFAULT)).toBe(seccomp);
    expect(profileWith(0n)).not.toBe(seccomp);
  });

  test.each(["x86_64", "aarch64", "riscv64"] as const)(
    "fits the kernel's limit on %s with all capabilities",
    (architecture) => {
      const facts = { ...FACTS_V1, architecture };
      const filter = compileSeccomp(
        defaultSeccomp({ capabilities: facts.capabilities, facts }),
        architecture,
      );
      expect(filter.filter.length / 8).toBeLessThan(1000);
    },
  );

  test("names only calls that some architecture has", () => {
    const tables = (["x86_64", "x86", "x32", "aarch64", "arm", "riscv64"] as const).map(syscallTable);
    const all = { ...FACTS_V1, architecture: "aarch64" as const };
    const names = [FACTS_V1, all].flatMap((facts) =>
      (defaultSeccomp({ capabilities: facts.capabilities, facts }).syscalls ?? []).flatMap(
        (rule) => rule.names,
      ),
    );
    const unknown = new Set(names.filter((name) => !tables.some((table) => table.has(name))));
    // PowerPC's, or never made: harmless.
    expect([...unknown].sort()).toEqual([]);
  });
});

describe("decodeProfile()", () => {
  const context = { capabilities: DEFAULT, facts: FACTS_V1 };
  const decode = (document: unknown): Seccomp =>
    resolveProfile(decodeProfile(JSON.stringify(document)), context);

  test("understands Docker's format", () => {
    const seccomp = decode({
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: 38,
      archMap: [
        { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
        { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] },
      ],
      syscalls: [
        { names: ["read"], action: "SCMP_ACT_ALLOW", args: null, comment: "", includes: {}, excludes: {} },
        { name: "write", action: "SCMP_ACT_ALLOW", args: [] },
        { names: ["a"], action: "SCMP_ACT_ALLOW", includes: { caps: ["CAP_SYS_ADMIN"] } },
        { names: ["b"], action: "SCMP_ACT_ALLOW", excludes: { caps: ["CAP_SYS_ADMIN", "CAP_CHOWN"] } },
        {
          names: ["c"],
          action: "SCMP_ACT_ALLOW",
          includes: { arches: ["arm64", "amd64"], minKernel: "4.8" },
        },
        { names: ["d"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "7.0" } },
        { names: ["e"], action: "SCMP_ACT_ALLOW", excludes: { arches: ["amd64"] } },
        { names: ["f"], action: "SCMP_ACT_ALLOW", excludes: { minKernel: "6.12" } },
      ],
    });
    expect(seccomp.architectures).toEqual(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]);
    expect(seccomp.defaultErrnoRet).toBe(38);
    expect(seccomp.syscalls?.flatMap(({ names }) => names)).toEqual(["read", "write", "c"]);
  });

  test("reads all 64 bits of a value", () => {
    const text = `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["dup"],"action":"SCMP_ACT_LOG","args":[
      {"index":0,"value":18446744073709551615,"valueTwo":9007199254740993,"op":"SCMP_CMP_MASKED_EQ"}]}]}`;
    const [rule] = resolveProfile(decodeProfile(text), context).syscalls ?? [];
    expect(rule?.args).toEqual([
      { index: 0, value: 18446744073709551615n, valueTwo: 9007199254740993n, op: "SCMP_CMP_MASKED_EQ" },
    ]);
  });

  test.each([
    ["", "decoding seccomp profile failed"],
    ["/etc/profile.json", "decoding seccomp profile failed"],
    ["[]", "decoding seccomp profile failed"],
    ["{}", "defaultAction"],
    ['{"defaultAction":"SCMP_ACT_SURE"}', "SCMP_ACT_SURE"],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","architectures":[],"archMap":[{}]}',
      "both 'architectures' and 'archMap'",
    ],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_ALLOW"}]}',
      "both 'name' and 'names'",
    ],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["b"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"x"}}]}',
      "kernel version",
    ],
    ['{"defaultAction":"SCMP_ACT_NOTIFY","listenerPath":"/run/x"}', "listenerPath"],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["b"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"op":"=="}]}]}',
      "==",
    ],
  ])("refuses %s", (text, message) => {
    expect(() => decodeProfile(text)).toThrow(message);
  });
});

test("the tables of system calls have the numbers of their architecture", () => {
  const numbers = (abi: SyscallAbi, names: string[]): unknown =>
    names.map((name) => syscallTable(abi).get(name));
  expect(numbers("x86_64", ["read", "socket", "clone3", "setxattrat"])).toEqual([0, 41, 435, 463]);
  expect(numbers("x86", ["socketcall", "socket", "ipc"])).toEqual([102, 359, 117]);
  expect(numbers("x32", ["ioctl", "execve"])).toEqual([514, 520]);
  expect(numbers("aarch64", ["openat", "clone"])).toEqual([56, 220]);
  expect(numbers("arm", ["openat", "set_tls"])).toEqual([322, 0xf0005]);
  expect(numbers("riscv64", ["openat", "riscv_hwprobe"])).toEqual([56, 258]);
});
