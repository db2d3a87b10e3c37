import { expect, test } from "bun:test";
import { hostConfig } from "../testing/host-config.ts";
import { limitsOf } from "./change-limits.ts";

test("real-time limits are written together when one of them changes", () => {
  const host = hostConfig({ CpuRealtimePeriod: 1000, CpuRealtimeRuntime: 500 });
  const realtime = { realtimePeriod: 1000, realtimeRuntime: 500n };
  expect(limitsOf(host, new Set(["CpuRealtimeRuntime"])).cpu).toEqual(realtime);
  expect(limitsOf(host, new Set(["CpuShares"])).cpu).toEqual({ shares: 1024 });
  expect(limitsOf(hostConfig({}), new Set(["CpuRealtimePeriod"])).cpu).toEqual({});
});
