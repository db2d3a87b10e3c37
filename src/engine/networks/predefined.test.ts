import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NO_LOG } from "../../base/log.ts";
import { openMetadata } from "../../core/metadata/sqlite-metadata.ts";
import { parseIp } from "../../base/ip-address.ts";
import { DEFAULT_BRIDGE_CONFIG, planDefaultBridge } from "../../core/network/default-bridge.ts";
import type { Metadata } from "../../core/metadata/metadata.ts";
import { FakeNetwork } from "../testing/fake-network.ts";
import { predefineNetworks } from "./predefined.ts";

let directory: string;
let metadata: Metadata;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "predefined-"));
  metadata = openMetadata({ path: join(directory, "metadata.db"), onDamaged: () => {} });
});

afterEach(() => {
  metadata.close();
  rmSync(directory, { recursive: true });
});

const bridgeId = (): string | undefined => new FakeNetwork(metadata).parts.networks.named("bridge")?.id;

test("the default network is stored at every moment of a later start", async () => {
  await new FakeNetwork(metadata).predefine();
  const id = bridgeId();
  expect(id).toHaveLength(64);
  const later = new FakeNetwork(metadata);
  const seen: unknown[] = [];
  await predefineNetworks({ network: later.parts, log: NO_LOG }, async () => {
    seen.push(bridgeId());
    return planDefaultBridge(DEFAULT_BRIDGE_CONFIG, []);
  });
  expect([...seen, bridgeId()]).toEqual([id, id]);
});

test("a start applies no firewall before it knows all containers", async () => {
  const network = new FakeNetwork(metadata);
  await network.predefine();
  expect(network.deeds).toEqual(["raise bridge"]);
  await network.parts.firewall.apply();
  expect(network.firewall.networks.map(({ bridge }) => bridge)).toEqual(["gantry0"]);
});

test("one that cannot be made stays what it was", async () => {
  await new FakeNetwork(metadata).predefine();
  const id = bridgeId();
  const later = new FakeNetwork(metadata);
  later.failing = "raise bridge";
  await later.predefine();
  // Its bridge is not taken away, and its containers keep their addresses and rules.
  expect(later.deeds).toEqual(["raise bridge"]);
  expect(bridgeId()).toBe(id);
  expect(later.parts.ipam.restoreAddress(id ?? "", parseIp("172.17.0.2") ?? { family: 4, value: 0n })).toBe(
    true,
  );
  await later.parts.firewall.apply();
  expect(later.firewall.networks).toHaveLength(1);
});
