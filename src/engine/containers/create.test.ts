import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
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
