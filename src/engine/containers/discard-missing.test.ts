import { expect, test } from "bun:test";
import { hostConfig } from "../testing/host-config.ts";
import { discardMissing } from "./discard-missing.ts";

const host = hostConfig({ BlkioWeight: 100, BlkioWeightDevice: [{ Path: "/dev/a", Weight: 200 }] });

test("weights of block I/O are left out with a warning each where the kernel has none", () => {
  expect(discardMissing(host, {})).toEqual({ resources: host, warnings: [] });
  const { resources, warnings } = discardMissing(host, { missingLimits: new Set(["blkio-weight-device"]) });
  expect(resources).toEqual({ ...host, BlkioWeightDevice: [] });
  expect(warnings).toEqual([expect.stringContaining("Weight-device discarded.")]);
  const all = discardMissing(host, { missingLimits: new Set(["blkio-weight", "blkio-weight-device"]) });
  expect(all.resources.BlkioWeight).toBe(0);
  expect(all.warnings).toHaveLength(2);
  expect(discardMissing(hostConfig({}), { missingLimits: new Set(["blkio-weight"]) }).warnings).toEqual([]);
});

test("a device whose scheduler has no weights is left out, and the others stay", () => {
  const devices = [
    { Path: "/dev/a", Weight: 200 },
    { Path: "/dev/b", Weight: 300 },
  ];
  const both = hostConfig({ BlkioWeightDevice: devices });
  const { resources, warnings } = discardMissing(both, {}, (path) => path === "/dev/b");
  expect(resources.BlkioWeightDevice).toEqual(devices.slice(1));
  expect(warnings).toEqual([
    "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.",
  ]);
  expect(discardMissing(both, {}, () => true)).toEqual({ resources: both, warnings: [] });
});
