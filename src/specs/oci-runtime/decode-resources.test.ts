import { expect, test } from "bun:test";
import { Fields } from "../engine/fields.decode.ts";
import { decodeIntelRdt, decodeResourcesDocument } from "./decode-resources.ts";

test("decodeResourcesDocument() keeps every property, exact and absent as in the document", () => {
  const document = {
    devices: [{ allow: true, type: "c", major: 10, minor: -1, access: "rw" }],
    memory: {
      limit: -1,
      reservation: 2,
      swap: 3,
      kernel: -1,
      kernelTCP: 5,
      useHierarchy: true,
      swappiness: 0,
      disableOOMKiller: false,
      checkBeforeUpdate: true,
    },
    cpu: {
      shares: 1,
      quota: -1,
      burst: 0,
      period: 2,
      realtimeRuntime: 3,
      realtimePeriod: 4,
      cpus: "0-1",
      mems: "0",
      idle: 1,
    },
    pids: { limit: -1 },
    blockIO: {
      weight: 10,
      leafWeight: 1000,
      weightDevice: [{ major: 8, minor: 0, weight: 10 }],
      throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 5 }],
    },
    hugepageLimits: [{ pageSize: "2MB", limit: 7 }],
    network: { classID: 4294967295, priorities: [{ name: "eth0", priority: 5 }] },
    rdma: { mlx5_1: { hcaHandles: 3 } },
    unified: { "memory.high": "5" },
  };
  const asText = (_: string, value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value);
  const decoded = decodeResourcesDocument(JSON.stringify(document));
  expect(JSON.parse(JSON.stringify(decoded, asText))).toEqual(document);
  expect(typeof decoded.memory?.limit).toBe("bigint");
});

test("decodeResourcesDocument() takes all of 64 bits, and the greatest swappiness for none", () => {
  const decoded = decodeResourcesDocument(
    '{"blockIO":{"throttleReadBpsDevice":[{"major":1,"minor":2,"rate":18446744073709551615}]},' +
      '"memory":{"limit":9223372036854775807,"swappiness":18446744073709551615}}',
  );
  expect(decoded.blockIO?.throttleReadBpsDevice).toEqual([{ major: 1, minor: 2, rate: (1n << 64n) - 1n }]);
  expect(decoded.memory).toEqual({ limit: (1n << 63n) - 1n });
});

test.each([
  ['{"memory":{"limit":-2}}', "resources.memory.limit -2 is negative"],
  ['{"memory":{"limit":9223372036854775808}}', "resources.memory.limit 9223372036854775808 is not between"],
  ['{"memory":{"swappiness":101}}', "resources.memory.swappiness 101 is not between 0 and 100"],
  ['{"memory":{"checkBeforeUpdate":1}}', '"resources.memory.checkBeforeUpdate" must be true or false'],
  ['{"cpu":{"idle":2}}', "resources.cpu.idle 2 is not between 0 and 1"],
  ['{"cpu":{"shares":-1}}', "resources.cpu.shares -1 is not between"],
  ['{"cpu":{"cpus":"\\u0000"}}', "resources.cpu.cpus has a NUL byte"],
  ['{"blockIO":{"weight":9}}', "resources.blockIO.weight 9 is not between 10 and 1000"],
  ['{"blockIO":{"weightDevice":[{"major":1,"minor":2}]}}', "weightDevice[0] has neither"],
  [
    '{"blockIO":{"throttleReadBpsDevice":[{"major":1,"rate":2}]}}',
    "throttleReadBpsDevice[0].minor is missing",
  ],
  ['{"blockIO":{"throttleReadBpsDevice":[{"major":1,"minor":2}]}}', "[0].rate is missing"],
  ['{"hugepageLimits":[{"pageSize":"2M","limit":1}]}', 'pageSize "2M" is not a size'],
  ['{"hugepageLimits":[{"pageSize":"../2MB","limit":1}]}', "is not a size"],
  ['{"hugepageLimits":[{"pageSize":"2MB"}]}', "hugepageLimits[0].limit is missing"],
  ['{"network":{"classID":4294967296}}', "resources.network.classID 4294967296 is not between"],
  ['{"network":{"priorities":[{"priority":1}]}}', "priorities[0].name is missing"],
  ['{"rdma":{"a":{}}}', 'resources.rdma["a"] has neither'],
  ['{"unified":{"memory.high":5}}', 'unified["memory.high"]" must be a string'],
  ['{"devices":[{"allow":true,"major":-2}]}', "devices[0].major -2 is not between"],
  ["[]", '"resources" must be an object'],
])("decodeResourcesDocument() refuses %s", (document, message) => {
  expect(() => decodeResourcesDocument(document)).toThrow(message);
});

test("decodeIntelRdt() reads both forms of the specification", () => {
  const decode = (value: object): unknown => decodeIntelRdt(new Fields(value, "linux.intelRdt"));
  expect(decode({ closID: "a", schemata: "L3:0=f\nMB:0=20", enableMBM: true })).toEqual({
    closID: "a",
    schemata: ["L3:0=f", "MB:0=20"],
    enableMonitoring: true,
  });
  expect(decode({ schemata: ["L3:0=f"], l3CacheSchema: "L3:0=1", enableMonitoring: false })).toEqual({
    schemata: ["L3:0=f"],
    l3CacheSchema: "L3:0=1",
    enableMonitoring: false,
  });
  expect(decode({})).toEqual({});
});
