import { expect, test } from "bun:test";
import { failureOf } from "../../../test/support/failure.ts";
import { messageOf } from "../../base/errors.ts";
import { builtNative } from "../../../test/support/native.ts";
import { NetworkNamespace } from "../../../test/support/network-namespace.ts";
import { describeWith } from "../../../test/support/requires.ts";
import { listAddresses } from "./addresses.ts";
import { accepted, exchange, NetlinkError, PROTOCOL } from "./exchange.ts";
import { makeBridge, makeHostLink, TEMPORARY_PREFIX } from "./host-links.ts";
import { enableForwarding } from "./ipv6-settings.ts";
import { findLink, listLinks } from "./link-listing.ts";
import { deleteLink, newLink } from "./links.ts";
import { listOwn, removeListed, removeOwn } from "./own-links.ts";

const native = builtNative();
const four = { address: Uint8Array.from([10, 77, 0, 1]), prefix: 16 };
const six = { address: Uint8Array.from([0xfd, 0x77, ...Array.from({ length: 13 }, () => 0), 1]), prefix: 64 };
const BRIDGE = {
  name: "gantry0",
  alias: "gantry:0123456789ab",
  mac: Uint8Array.from([2, 0x42, 1, 2, 3, 4]),
  mtu: 1400,
  addresses: [four, six],
};
const OWN = { alias: "gantry:", names: [TEMPORARY_PREFIX] };

describeWith("makeBridge()", ["root", "native"], () => {
  test("makes a bridge that is complete when it has its name", async () => {
    using host = await NetworkNamespace.make();
    const index = await makeBridge(native, host.fd, BRIDGE);
    expect(await findLink(native, host.fd, "gantry0")).toMatchObject({
      index,
      kind: "bridge",
      alias: BRIDGE.alias,
      mac: BRIDGE.mac,
      mtu: 1400,
      up: true,
    });
    const addresses = (await listAddresses(native, host.fd)).filter(({ link }) => link === index);
    for (const wish of [four, six])
      expect(addresses).toContainEqual({ ...wish, link: index, tentative: false });
    expect(await host.setting("net/ipv6/conf/gantry0/accept_ra")).toBe("0");
    expect(await host.setting("net/ipv6/conf/gantry0/disable_ipv6")).toBe("0");
    expect((await listLinks(native, host.fd)).map(({ name }) => name)).toEqual(["lo", "gantry0"]);
  });

  test("takes over its own, and mends it", async () => {
    using host = await NetworkNamespace.make();
    const index = await makeBridge(native, host.fd, { ...BRIDGE, addresses: [], mtu: 1300 });
    expect(await host.setting("net/ipv6/conf/gantry0/disable_ipv6")).toBe("1");
    await host.run("busybox", "ip", "link", "set", "gantry0", "down");
    expect(await makeBridge(native, host.fd, BRIDGE)).toBe(index);
    expect(await makeBridge(native, host.fd, BRIDGE)).toBe(index);
    expect(await findLink(native, host.fd, index)).toMatchObject({ mtu: 1400, up: true });
    expect(await host.setting("net/ipv6/conf/gantry0/disable_ipv6")).toBe("0");
    const addresses = (await listAddresses(native, host.fd)).filter(({ link }) => link === index);
    for (const wish of [four, six]) expect(addresses).toContainEqual(expect.objectContaining(wish));
  });

  test("refuses the name of somebody else's link, and leaves nothing", async () => {
    using host = await NetworkNamespace.make();
    const foreign = newLink({ name: "gantry0", type: { kind: "bridge" } });
    accepted(await exchange(native, PROTOCOL.route, host.fd, [foreign]));
    const before = await listLinks(native, host.fd);
    expect(await failureOf(makeBridge(native, host.fd, BRIDGE))).toMatchObject({ category: "conflict" });
    expect(
      messageOf(
        await failureOf(makeBridge(native, host.fd, { ...BRIDGE, name: "other", addresses: [four, four] })),
      ),
    ).toContain("EEXIST");
    expect(
      await failureOf(
        makeBridge(native, host.fd, { ...BRIDGE, name: "other", addresses: [{ ...four, prefix: 40 }] }),
      ),
    ).toMatchObject({ category: "invalid_argument" });
    expect(await listLinks(native, host.fd)).toEqual(before);
    expect(await failureOf(removeOwn(native, host.fd, BRIDGE))).toMatchObject({ category: "conflict" });
    expect(await listOwn(native, host.fd, OWN)).toEqual([]);
  });

  test("removeOwn() removes it once, and nothing of somebody else's", async () => {
    using host = await NetworkNamespace.make();
    await makeBridge(native, host.fd, BRIDGE);
    expect(await listOwn(native, host.fd, OWN)).toMatchObject([{ name: "gantry0", alias: BRIDGE.alias }]);
    expect(await failureOf(removeOwn(native, host.fd, { ...BRIDGE, alias: "gantry:other" }))).toMatchObject({
      category: "conflict",
    });
    expect(await removeOwn(native, host.fd, BRIDGE)).toBe(true);
    expect(await removeOwn(native, host.fd, BRIDGE)).toBe(false);
  });

  test("listOwn() finds what a killed maker has left, and nobody else's", async () => {
    using host = await NetworkNamespace.make();
    const names = ["gt0123456789ab", "eth7", "gvfoo"];
    const orders = names.map((name) => newLink({ name, type: { kind: "bridge" } }));
    accepted(await exchange(native, PROTOCOL.route, host.fd, orders));
    const [left, ...others] = await listOwn(native, host.fd, OWN);
    if (left === undefined) throw new Error("nothing was found");
    expect([left.name, others]).toEqual(["gt0123456789ab", []]);
    expect(await removeListed(native, host.fd, left)).toBe(true);
    expect(await removeListed(native, host.fd, left)).toBe(false);
  });
});

describeWith("makeHostLink()", ["root", "native"], () => {
  test("makes sub-interfaces where the kernel has VLANs, and says so where not", async () => {
    using host = await NetworkNamespace.make();
    const parent = await makeBridge(native, host.fd, BRIDGE);
    const vlan = {
      name: "gantry0.50",
      alias: "gantry:vlan",
      type: { kind: "vlan", parent, id: 50 },
      addresses: [],
    } as const;
    const probe = newLink({ name: "probe", type: vlan.type });
    const [outcome] = await exchange(native, PROTOCOL.route, host.fd, [probe]);
    if (outcome instanceof NetlinkError) {
      expect(await failureOf(makeHostLink(native, host.fd, vlan))).toMatchObject({
        category: "not_implemented",
      });
      return;
    }
    accepted(await exchange(native, PROTOCOL.route, host.fd, [deleteLink("probe")]));
    const index = await makeHostLink(native, host.fd, vlan);
    expect(await findLink(native, host.fd, "gantry0.50")).toMatchObject({ index, kind: "vlan", parent });
    expect(await host.run("cat", "/proc/net/vlan/gantry0.50")).toContain("VID: 50");
  });
});

describeWith("enableForwarding()", ["root", "native"], () => {
  test("is about one family, and that namespace alone", async () => {
    using host = await NetworkNamespace.make();
    using other = await NetworkNamespace.make();
    // What a new namespace begins with is this machine's own setting.
    for (const { fd } of [host, other])
      await native.writeNetSettings(fd, [
        ["net/ipv4/ip_forward", "0"],
        ["net/ipv6/conf/all/forwarding", "0"],
      ]);
    await enableForwarding(native, host.fd, "ipv4");
    expect(await host.setting("net/ipv4/ip_forward")).toBe("1");
    expect(await host.setting("net/ipv6/conf/all/forwarding")).toBe("0");
    await enableForwarding(native, host.fd, "ipv6");
    expect(await host.setting("net/ipv6/conf/all/forwarding")).toBe("1");
    expect(await other.setting("net/ipv4/ip_forward")).toBe("0");
  });
});
