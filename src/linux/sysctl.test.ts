import { describe, expect, test } from "bun:test";
import type { NamespaceType } from "../specs/oci-runtime/spec.ts";
import { checkSysctl, sysctlPath } from "./sysctl.ts";

const OWN: ReadonlySet<NamespaceType> = new Set(["network", "ipc", "uts", "user"]);

describe("checkSysctl()", () => {
  test.each([
    ["net.ipv4.ip_forward", "net/ipv4/ip_forward"],
    ["net/ipv4/ip_forward", "net/ipv4/ip_forward"],
    ["net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"],
    ["net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"],
    ["kernel.shm_rmid_forced", "kernel/shm_rmid_forced"],
    ["kernel.sem", "kernel/sem"],
    ["fs.mqueue.msg_max", "fs/mqueue/msg_max"],
    ["kernel.domainname", "kernel/domainname"],
    ["user.max_mnt_namespaces", "user/max_mnt_namespaces"],
  ])("gives the path of %s", (key, path) => {
    expect(checkSysctl(key, "1", OWN)).toBe(path);
  });

  test.each([
    "kernel.core_pattern",
    "kernel.shmmax2",
    "kernel.shm_rmid_forced1",
    "vm.overcommit_memory",
    "fs.mqueue",
    "fs.file-max",
    "network.x",
  ])("refuses %s, which is the host's", (key) => {
    expect(() => checkSysctl(key, "1", OWN)).toThrow(`sysctl "${key}" is not in a separate kernel namespace`);
  });

  test.each<[string, NamespaceType, string]>([
    ["net.ipv4.ip_forward", "network", 'sysctl "net.ipv4.ip_forward" not allowed in host network namespace'],
    ["kernel.sem", "ipc", 'sysctl "kernel.sem" is not allowed in the hosts ipc namespace'],
    ["kernel.domainname", "uts", 'sysctl "kernel.domainname" is not allowed in the hosts uts namespace'],
    ["user.max_x", "user", 'sysctl "user.max_x" is not allowed in the hosts user namespace'],
    ["kernel.hostname", "uts", 'sysctl "kernel.hostname" is not in a separate kernel namespace'],
  ])("refuses %s in the host's namespace", (key, type, message) => {
    expect(() => checkSysctl(key, "1", new Set([...OWN].filter((own) => own !== type)))).toThrow(message);
  });

  test.each([
    "",
    "net",
    "a/../../x",
    "net..ipv4",
    "net.ipv4.",
    ".net.ipv4",
    "net/../kernel/core_pattern",
    "net.ipv4.a b",
    "net.ipv4.\n",
    `net.${"x".repeat(600)}`,
  ])("refuses the malformed %j", (key) => {
    expect(() => checkSysctl(key, "1", OWN)).toThrow("invalid sysctl");
  });

  test("leaves the host name to the field that is made for it", () => {
    expect(() => checkSysctl("kernel.hostname", "x", OWN)).toThrow('conflicts with the OCI "hostname" field');
  });

  test("refuses a value of two lines", () => {
    expect(() => checkSysctl("net.ipv4.ip_forward", "1\n2", OWN)).toThrow("more than one line");
  });
});

test("sysctlPath() cannot leave /proc/sys", () => {
  for (const key of ["net/./x", "net.//.x", "../x.y", "/net/x"]) expect(() => sysctlPath(key)).toThrow();
});
