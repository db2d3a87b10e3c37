import { expect, test } from "bun:test";
import { builtNative } from "../../../../test/support/native.ts";
import { NetworkNamespace } from "../../../../test/support/network-namespace.ts";
import { describeWith } from "../../../../test/support/requires.ts";
import { until } from "../../../../test/support/until.ts";
import { findLink, listLinks } from "../../../linux/netlink/link-listing.ts";
import { readRates } from "../../../linux/netlink/rates.ts";
import { listOwn } from "../../../linux/netlink/own-links.ts";
import { endpointRecord, networkRecord } from "../testing/records.ts";
import { BelowDriver } from "./below.ts";
import { BridgeDriver } from "./bridge.ts";
import { interiorOf, macBytes } from "./interior.ts";

const WAYS = { ipv4: true, ipv6: true };
const OURS = { alias: "gantry:", names: ["gv", "gt"] };

test("an endpoint's interior has its addresses, and the routes of the families that leave by it", () => {
  const { addresses, routes } = interiorOf(endpointRecord(2), { ipv4: true, ipv6: false });
  expect(addresses.map(({ address, prefix }) => [address.length, prefix])).toEqual([
    [4, 24],
    [16, 64],
    [4, 16],
  ]);
  expect(routes.map(({ gateway }) => gateway)).toEqual([Uint8Array.from([10, 9, 0, 1])]);
  expect(macBytes("02:42:0a:09:00:ff")).toEqual(Uint8Array.from([2, 0x42, 10, 9, 0, 255]));
  expect(macBytes("")).toBeUndefined();
});

describeWith("drivers", ["root", "native"], () => {
  const pings = async (from: NetworkNamespace, address: string): Promise<boolean> =>
    !(await from.run("busybox", "ping", "-c", "1", "-W", "2", address)).includes("exit ");

  test("bridge: rates are an endpoint's from the beginning, change, and leave nothing behind", async () => {
    using host = await NetworkNamespace.make();
    const native = builtNative();
    const driver = new BridgeDriver(native, host.fd);
    const net = networkRecord("bridge");
    const member = (inBits: number, outBits: number) => ({
      ...endpointRecord(2),
      rates: { inBits, outBits },
    });
    const rates = () => readRates(native, host.fd, "gv222222222222");
    await driver.raise(net);
    {
      using inside = await NetworkNamespace.make();
      await driver.attach(net, member(8000, 16_000), inside.fd, interiorOf(endpointRecord(2), WAYS));
      expect(await rates()).toEqual({ inBytesPerSecond: 1000, outBytesPerSecond: 2000 });
      await driver.limit(net, member(0, 8));
      expect(await rates()).toEqual({ inBytesPerSecond: undefined, outBytesPerSecond: 1 });
    }
    await until(
      "the port to go",
      async () => (await findLink(native, host.fd, "gv222222222222")) === undefined,
    );
    expect(await findLink(native, host.fd, "gi222222222222")).toBeDefined();
    await driver.retire(net, endpointRecord(2));
    expect(await findLink(native, host.fd, "gi222222222222")).toBeDefined();
    for (let time = 0; time < 2; time++) await driver.retire(net, member(0, 0));
    expect(await findLink(native, host.fd, "gi222222222222")).toBeUndefined();
    expect(await driver.limit(net, member(8, 8)).catch((error: unknown) => error)).toMatchObject({
      category: "not_found",
    });
  });

  test("bridge: neighbours reach each other and the gateway, until one is taken away and all is gone", async () => {
    using host = await NetworkNamespace.make();
    using a = await NetworkNamespace.make();
    using b = await NetworkNamespace.make();
    const native = builtNative();
    const driver = new BridgeDriver(native, host.fd);
    const [net, one, two] = [networkRecord("bridge"), endpointRecord(2), endpointRecord(3)];
    await driver.raise(net);
    await driver.raise(net);
    await driver.attach(net, one, a.fd, interiorOf(one, WAYS));
    await driver.attach(net, two, b.fd, interiorOf(two, WAYS));
    expect(await a.run("ip", "-br", "addr", "show", "eth0")).toMatch(
      /UP.*10\.9\.0\.2\/24 169\.254\.7\.7\/16 fd00:9::2\/64/,
    );
    expect(await a.run("ip", "link", "show", "eth0")).toContain("link/ether 02:42:0a:09:00:02");
    expect(await a.run("ip", "route")).toContain("default via 10.9.0.1 dev eth0");
    expect([await pings(a, "10.9.0.1"), await pings(a, "10.9.0.3"), await pings(a, "fd00:9::3")]).toEqual([
      true,
      true,
      true,
    ]);
    await driver.detach(net, one);
    expect(await a.run("ip", "-br", "link", "show", "eth0")).toContain("does not exist");
    expect(await pings(b, "10.9.0.2")).toBe(false);
    await driver.detach(net, one);
    await driver.lower(net);
    await driver.lower(net);
    // The other port is left to its container.
    expect((await listOwn(native, host.fd, OURS)).map(({ name }) => name)).toEqual(["gv333333333333"]);
  });

  test("bridge: neighbours that may not talk to each other reach the gateway alone", async () => {
    using host = await NetworkNamespace.make();
    using a = await NetworkNamespace.make();
    using b = await NetworkNamespace.make();
    const driver = new BridgeDriver(builtNative(), host.fd);
    const net = networkRecord("bridge", {
      "com.docker.network.bridge.enable_icc": "false",
      "com.docker.network.driver.mtu": "1400",
    });
    for (const [place, each] of [
      [a, endpointRecord(2)],
      [b, endpointRecord(3)],
    ] as const)
      await driver.attach(net, each, place.fd, interiorOf(each, WAYS));
    expect([await pings(a, "10.9.0.1"), await pings(a, "10.9.0.3")]).toEqual([true, false]);
    expect(await b.run("ip", "link", "show", "eth0")).toContain("mtu 1400");
  });

  test("bridge: one that somebody has deleted is made again", async () => {
    using host = await NetworkNamespace.make();
    using a = await NetworkNamespace.make();
    const driver = new BridgeDriver(builtNative(), host.fd);
    const [net, one] = [networkRecord("bridge"), endpointRecord(2)];
    await driver.raise(net);
    await host.run("ip", "link", "delete", "br-abababababab");
    await driver.attach(net, one, a.fd, interiorOf(one, WAYS));
    expect(await pings(a, "10.9.0.1")).toBe(true);
  });

  test("macvlan: on the wire of its parent, which stays when it was there before", async () => {
    using host = await NetworkNamespace.make();
    using a = await NetworkNamespace.make();
    using b = await NetworkNamespace.make();
    const native = builtNative();
    const driver = new BelowDriver(native, host.fd);
    await host.run("ip", "link", "add", "wire", "type", "veth", "peer", "name", "far");
    for (const end of ["wire", "far"]) await host.run("ip", "link", "set", end, "up");
    const net = networkRecord("macvlan", { parent: "wire" });
    await driver.raise(net);
    for (const [place, each] of [
      [a, endpointRecord(2)],
      [b, endpointRecord(3)],
    ] as const)
      await driver.attach(net, each, place.fd, interiorOf(each, WAYS));
    expect(await pings(a, "10.9.0.3")).toBe(true);
    await driver.detach(net, endpointRecord(2), a.fd);
    expect(await a.run("ip", "-br", "link", "show", "eth0")).toContain("does not exist");
    await driver.lower(net);
    expect((await listLinks(native, host.fd)).map(({ name }) => name).toSorted()).toEqual([
      "far",
      "lo",
      "wire",
    ]);
    expect(
      await driver
        .raise(networkRecord("macvlan", { parent: "none" }))
        .catch((error: unknown) => String(error)),
    ).toContain("none");
  });
});
