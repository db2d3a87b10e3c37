/** The integration tests that also run in the machine: everything about the kernel, cgroups and init of a host. */
export const SELECTION: readonly string[] = [
  "test/vm",
  "test/integration/containers",
  "test/integration/runtime",
  // Of the security tests those whose answer may depend on the kernel and its modules: the others take long there.
  ...["apparmor", "escape", "identity", "kernel", "privileges"].map(
    (name) => `test/integration/security/${name}.test.ts`,
  ),
  "test/integration/system/restore.test.ts",
  // Of file systems that not every kernel has.
  "test/integration/storage/size.test.ts",
  // Drivers that not every kernel has.
  "test/integration/network/ipvlan.test.ts",
  "test/integration/network/vlan.test.ts",
];
