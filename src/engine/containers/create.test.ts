import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import { fail } from "../../base/errors.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { ApiHost } from "../../api/testing/api-host.ts";

let host: ApiHost;

beforeEach(async () => {
  host = await ApiHost.start();
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
});

test("a root filesystem survives a power cut before its row can, that of --rm need not", async () => {
  const rowsThen: number[] = [];
  const persist = host.snapshots.persist.bind(host.snapshots);
  spyOn(host.snapshots, "persist").mockImplementation((id) => {
    rowsThen.push([...host.store.all()].length);
    return persist(id);
  });
  const stays = await host.create("stays", { HostConfig: { NetworkMode: "none" } });
  await host.create("goes", { HostConfig: { NetworkMode: "none", AutoRemove: true } });
  expect([...host.snapshots.persisted]).toEqual([stays]);
  expect(rowsThen).toEqual([0]);
});

test("what is asked of the storage driver is checked before anything is made, and done", async () => {
  const HostConfig = { NetworkMode: "none", StorageOpt: { size: "20M" } };
  const sizeOf = spyOn(host.snapshots, "sizeOf").mockImplementation(() => {
    throw fail("internal", "no quotas here");
  });
  const prepare = spyOn(host.snapshots, "prepare");
  expect(String(await rejection(host.create("refused", { HostConfig })))).toContain("no quotas here");
  expect([prepare.mock.calls, [...host.store.all()]]).toEqual([[], []]);
  sizeOf.mockImplementation(() => 4096);
  const id = await host.create("limited", { HostConfig });
  expect(sizeOf.mock.lastCall).toEqual([{ size: "20M" }]);
  expect(host.store.find("limited").record.sizeBytes).toBe(4096);
  expect(prepare.mock.calls.map(([made, , , sizeBytes]) => [made, sizeBytes])).toEqual([[id, 4096]]);
});
