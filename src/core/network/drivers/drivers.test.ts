import { expect, test } from "bun:test";
import { builtNative } from "../../../../test/support/native.ts";
import { NetworkNamespace } from "../../../../test/support/network-namespace.ts";
import { describeWith } from "../../../../test/support/requires.ts";
import { until } from "../../../../test/support/until.ts";
import { findLink } from "../../../linux/netlink/link-listing.ts";
import { readRates } from "../../../linux/netlink/rates.ts";
import { isCategory } from "../../../base/errors.ts";
import { listOwn } from "../../../linux/netlink/own-links.ts";
import { bridgeNameOf } from "../link-names.ts";
import { endpointRecord, networkRecord } from "../testing/records.ts";
import { BelowDriver } from "./below.ts";
import { BridgeDriver } from "./bridge.ts";
import { NO_DRIVER } from "./driver.ts";
import { driverSuite, DriverLab, makeWire, pings, WAYS } from "./driver.suite.ts";
import { interiorOf, macBytes } from "./interior.ts";

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

const below = (host: number): BelowDriver => new BelowDriver(builtNative(), host);
const VIA_GATEWAY = "default via 10.9.0.1 dev eth0";

driverSuite({
  title: "driver bridge",
  needs: [],
  network: networkRecord("bridge"),
  open: (host) => new BridgeDriver(builtNative(), host),
  route: VIA_GATEWAY,
});
driverSuite({
  title: "driver macvlan, on a link of the host",
  needs: ["macvlan"],
  network: networkRecord("macvlan", { parent: "wire" }),
  open: below,
  prepare: makeWire,
  route: VIA_GATEWAY,
});
driverSuite({
  title: "driver macvlan, on a link of its own",
  needs: ["macvlan", "dummy links"],
  network: networkRecord("macvlan"),
  open: below,
  route: VIA_GATEWAY,
});
driverSuite({
  title: "driver macvlan, on a VLAN",
  needs: ["macvlan", "vlan"],
  network: networkRecord("macvlan", { parent: "wire.7" }),
  open: below,
  prepare: makeWire,
  route: VIA_GATEWAY,
});
driverSuite({
  title: "driver ipvlan, l2",
  needs: ["ipvlan"],
  network: networkRecord("ipvlan", { parent: "wire" }),
  open: below,
  prepare: makeWire,
  sharesMac: true,
  route: VIA_GATEWAY,
});
driverSuite({
  title: "driver ipvlan, l3",
  needs: ["ipvlan"],
  network: networkRecord("ipvlan", { parent: "wire", ipvlan_mode: "l3" }),
  open: below,
  prepare: makeWire,
  sharesMac: true,
  route: "default dev eth0",
});

describeWith("drivers", ["root", "native"], () => {
  test("of networks without anything in the kernel have nothing there", async () => {
    using lab = await DriverLab.make();
    const [net, one] = [networkRecord("null"), endpointRecord(2)];
    const before = await lab.hostLinks();
    await NO_DRIVER.raise(net);
    await NO_DRIVER.attach(net, one, lab.a.fd, interiorOf(one, WAYS));
    expect(await lab.hostLinks()).toEqual(before);
    expect(await lab.a.run("ip", "-br", "link")).toMatch(/^lo [^\n]*\n$/);
    await NO_DRIVER.detach(net, one, lab.a.fd);
    await NO_DRIVER.lower(net);
  });

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

  test("bridge: the gateway is reached, and a port is left to its container when the bridge is gone", async () => {
    using lab = await DriverLab.make();
    const driver = new BridgeDriver(builtNative(), lab.host.fd);
    const [net, one] = [networkRecord("bridge"), endpointRecord(2)];
    await driver.attach(net, one, lab.a.fd, interiorOf(one, WAYS));
    // The host can ask for whom it forwards to at once.
    const addresses = await lab.host.run("ip", "-6", "-o", "addr", "show", "dev", bridgeNameOf(net));
    expect(addresses).toMatch(/fe80::[^ ]+ scope link (?!tentative)/);
    expect([await pings(lab.a, "10.9.0.1"), await pings(lab.a, "fd00:9::1")]).toEqual([true, true]);
    await driver.lower(net);
    expect((await listOwn(builtNative(), lab.host.fd, OURS)).map(({ name }) => name)).toEqual([
      "gv222222222222",
    ]);
  });

  test("bridge: neighbours that may not talk to each other reach the gateway alone", async () => {
    using lab = await DriverLab.make();
    const driver = new BridgeDriver(builtNative(), lab.host.fd);
    const net = networkRecord("bridge", {
      "com.docker.network.bridge.enable_icc": "false",
      "com.docker.network.driver.mtu": "1400",
    });
    for (const [place, each] of [
      [lab.a, endpointRecord(2)],
      [lab.b, endpointRecord(3)],
    ] as const)
      await driver.attach(net, each, place.fd, interiorOf(each, WAYS));
    expect([await pings(lab.a, "10.9.0.1"), await pings(lab.a, "10.9.0.3")]).toEqual([true, false]);
    expect(await lab.b.run("ip", "link", "show", "eth0")).toContain("mtu 1400");
  });

  test("bridge: one that somebody has deleted is made again", async () => {
    using lab = await DriverLab.make();
    const driver = new BridgeDriver(builtNative(), lab.host.fd);
    const [net, one] = [networkRecord("bridge"), endpointRecord(2)];
    await driver.raise(net);
    await lab.host.run("ip", "link", "delete", "br-abababababab");
    await driver.attach(net, one, lab.a.fd, interiorOf(one, WAYS));
    expect(await pings(lab.a, "10.9.0.1")).toBe(true);
  });

  test("a name that somebody else has is a conflict, and a parent that is not there is not found", async () => {
    using host = await NetworkNamespace.make();
    await host.run("ip", "link", "add", "br-abababababab", "type", "bridge");
    const why = (work: Promise<void>): Promise<unknown> => work.catch((error: unknown) => error);
    const taken = await why(new BridgeDriver(builtNative(), host.fd).raise(networkRecord("bridge")));
    expect(isCategory(taken, "conflict")).toBe(true);
    const missing = await why(below(host.fd).raise(networkRecord("macvlan", { parent: "none.5" })));
    expect([isCategory(missing, "not_found"), String(missing)]).toEqual([
      true,
      expect.stringContaining("none"),
    ]);
    const invalid = await why(below(host.fd).raise(networkRecord("macvlan", { parent: "none" })));
    expect(String(invalid)).toContain("none");
  });

  test("what this kernel does not know is said so", async () => {
    using lab = await DriverLab.make(makeWire);
    const known = await lab.host.run("ip", "link", "add", "link", "wire", "name", "x", "type", "ipvlan");
    const [net, one] = [networkRecord("ipvlan", { parent: "wire" }), endpointRecord(2)];
    const outcome: unknown = await below(lab.host.fd)
      .attach(net, one, lab.a.fd, interiorOf(one, WAYS))
      .catch((error: unknown) => error);
    expect(isCategory(outcome, "not_implemented")).toBe(known.includes("exit "));
  });
});
