/** The integration tests that also run in the machine: everything about the kernel, cgroups and init of a host. */
export const SELECTION: readonly string[] = [
  "test/vm",
  "test/integration/containers",
  "test/integration/runtime",
  "test/integration/security",
  "test/integration/system/restore.test.ts",
];
