import { beforeEach, describe, expect, test } from "bun:test";
import { messageOf } from "../../../base/errors.ts";
import { endpointRecord, networkRecord } from "../testing/records.ts";
import type { FirewallState } from "./firewall.ts";
import { FirewallKeeper } from "./keeper.ts";

const NETWORK = networkRecord("bridge");
const PORT = {
  protocol: "tcp",
  hostIp: "0.0.0.0",
  hostPort: 8080,
  containerIp: "10.9.0.2",
  containerPort: 80,
} as const;

let states: FirewallState[];
let gate: PromiseWithResolvers<void> | undefined;
let isFailing: boolean;
let keeper: FirewallKeeper;

beforeEach(() => {
  states = [];
  gate = undefined;
  isFailing = false;
  keeper = new FirewallKeeper({
    apply: async (state) => {
      states.push(state);
      await gate?.promise;
      if (isFailing) throw new Error("the kernel refuses");
    },
  });
});

const bridges = (): (readonly string[])[] =>
  states.map(({ networks }) => networks.map(({ bridge }) => bridge));

describe("FirewallKeeper", () => {
  test("gathers bridges and what is published on them", async () => {
    keeper.putNetwork(NETWORK);
    keeper.putNetwork({ ...networkRecord("macvlan"), id: "cd".repeat(32) });
    expect(keeper.publish(NETWORK, { ...endpointRecord(2), ports: [PORT] })).toBe(true);
    await keeper.apply();
    expect(states).toMatchObject([
      { networks: [{ bridge: "br-abababababab" }], publications: [{ ...PORT, bridge: "br-abababababab" }] },
    ]);
    expect(keeper.unpublish(endpointRecord(2).id)).toBe(true);
    expect(keeper.unpublish(endpointRecord(2).id)).toBe(false);
  });

  test("leaves out what it is not for: internal networks, and what needs a program", () => {
    const internal = { ...NETWORK, isInternal: true };
    keeper.putNetwork(internal);
    expect(keeper.publish(internal, { ...endpointRecord(2), ports: [PORT] })).toBe(false);
    keeper.putNetwork(NETWORK);
    expect(keeper.publish(NETWORK, { ...endpointRecord(2), ports: [{ ...PORT, hostIp: "::" }] })).toBe(false);
    expect(keeper.publish(NETWORK, endpointRecord(2))).toBe(false);
  });

  test("what does not change stays the same object", async () => {
    keeper.putNetwork(NETWORK);
    keeper.publish(NETWORK, { ...endpointRecord(2), ports: [PORT] });
    await keeper.apply();
    await keeper.apply();
    expect(states[1]?.networks).toBe(states[0]?.networks);
    expect(states[1]?.publications[0]).toBe(states[0]?.publications[0]);
    keeper.removeNetwork(NETWORK.id);
    await keeper.apply();
    expect(states[2]?.networks).toEqual([]);
  });

  test("who comes while one is under way shares the next with all others", async () => {
    gate = Promise.withResolvers();
    const first = keeper.apply();
    await Promise.resolve();
    await Promise.resolve();
    expect(states).toHaveLength(1);
    keeper.putNetwork(NETWORK);
    const [second, third] = [keeper.apply(), keeper.apply()];
    expect(second).toBe(third);
    gate.resolve();
    await Promise.all([first, second, third]);
    expect(bridges()).toEqual([[], ["br-abababababab"]]);
  });

  test("a failure is that of those who waited for it, and not of the next", async () => {
    isFailing = true;
    expect(await keeper.apply().then(String, messageOf)).toContain("the kernel refuses");
    isFailing = false;
    await keeper.apply();
    expect(states).toHaveLength(2);
  });
});
