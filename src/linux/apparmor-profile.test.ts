import { describe, expect, test } from "bun:test";
import { isEnforced } from "./apparmor-load.ts";
import { defaultProfile } from "./apparmor-profile.ts";

/** AppArmor's patterns as the profile uses them: `*` stays within one name, `**` does not (apparmor.d(5), "Globbing"). */
function matcher(pattern: string): RegExp {
  const source = pattern.replaceAll(/\*\*|\*|[.]/g, (part) =>
    part === "**" ? ".+" : part === "*" ? "[^/]+" : "\\.",
  );
  return new RegExp(`^${source.replaceAll("[^", "[^/")}$`);
}

function isWriteDenied(path: string): boolean {
  const rules = [...defaultProfile().matchAll(/^ {2}deny (\/\S+) (\w+),$/gm)];
  expect(rules.length).toBeGreaterThan(10);
  return rules.some(([, pattern = "", rights = ""]) => rights.includes("w") && matcher(pattern).test(path));
}

describe("the default AppArmor profile", () => {
  test.each([
    "/proc/sysrq-trigger",
    "/proc/kcore",
    "/proc/mtrr",
    "/proc/acpi/wakeup",
    "/proc/bus/pci/00/01.0",
    "/proc/scsi/scsi",
    "/proc/irq/1/smp_affinity",
    "/proc/sysvipc/msg",
    "/proc/sys/vm/panic_on_oom",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/sched_rt_runtime_us",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/net/ipv4/ip_forward",
    "/sys/firmware/efi/vars/x",
    "/sys/fs/ext4/sda/x",
    "/sys/fs/bpf/x",
    "/sys/kernel/security/apparmor/.load",
    "/sys/kernel/uevent_helper",
    "/sys/module/x/parameters/y",
  ])("denies writing to %s", (path) => {
    expect(isWriteDenied(path)).toBe(true);
  });

  test.each([
    "/proc/1/comm",
    "/proc/123/task/124/attr/current",
    "/proc/sys/kernel/shmmax",
    "/sys/fs/cgroup/x/cgroup.procs",
    "/etc/passwd",
    "/process/x",
  ])("lets %s be written to", (path) => {
    expect(isWriteDenied(path)).toBe(false);
  });
});

describe("isEnforced()", () => {
  const list = "other (enforce)\ngantry-default (complain)\nmine (enforce)\nlonger mine (enforce)\n";

  test("takes the whole name, and only one that is enforced", () => {
    expect(isEnforced(list, "mine")).toBe(true);
    expect(isEnforced(list, "longer")).toBe(false);
    expect(isEnforced(list, "gantry-default")).toBe(false);
    expect(isEnforced("", "mine")).toBe(false);
  });
});
