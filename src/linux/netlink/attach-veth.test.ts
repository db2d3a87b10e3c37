import { expect, test } from "bun:test";
import { failureOf } from "../../../test/support/failure.ts";
import { messageOf } from "../../base/errors.ts";
import { builtNative } from "../../../test/support/native.ts";
import { NetworkNamespace } from "../../../test/support/network-namespace.ts";
import { describeWith } from "../../../test/support/requires.ts";
import { listAddresses } from "./addresses.ts";
import { attachVeth, detachVeth, type VethAttachment } from "./attach-veth.ts";
import { accepted, exchange, PROTOCOL } from "./exchange.ts";
import { makeBridge } from "./host-links.ts";
import { findLink, listLinks } from "./link-listing.ts";
import { changeLink, newLink } from "./links.ts";
import { listOwn } from "./own-links.ts";
import { defaultVia, listRoutes } from "./routes.ts";

const native = builtNative();
const GATEWAY = Uint8Array.from([10, 77, 0, 1]);
const GATEWAY6 = Uint8Array.from([0xfd, 0x77, ...Array.from({ length: 13 }, () => 0), 1]);
const BRIDGE = {
  name: "br-0123456789ab",
  alias: "gantry:0123456789ab",
  mac: Uint8Array.from([2, 0x42, 10, 77, 0, 1]),
};
const OWN = { alias: "gantry:", names: ["gv", "gt"] };
const PING = ["busybox", "ping", "-c", "1", "-W", "2"];

/** The container with the number `number` of a network with IPv4 and, when `six`, IPv6. */
function attachment(
  host: NetworkNamespace,
  inside: NetworkNamespace,
  bridge: number,
  number: number,
  six = false,
): VethAttachment {
  const [address, address6] = [GATEWAY.slice(), GATEWAY6.slice()];
  address[3] = number;
  address6[15] = number;
  return {
    namespace: host.fd,
    name: `gv00000000000${number}`,
    alias: `gantry:container${number}:endpoint${number}`,
    bridge,
    inside: {
      namespace: inside.fd,
      name: "eth0",
      mac: Uint8Array.from([2, 0x42, ...address]),
      mtu: 1450,
      addresses: [{ address, prefix: 16 }, ...(six ? [{ address: address6, prefix: 64 }] : [])],
      routes: [defaultVia(GATEWAY), ...(six ? [defaultVia(GATEWAY6)] : [])],
    },
  };
}

describeWith("attachVeth()", ["root", "native", "busybox"], () => {
  const bridgeOn = (host: NetworkNamespace, six = false): Promise<number> =>
    makeBridge(native, host.fd, {
      ...BRIDGE,
      addresses: [{ address: GATEWAY, prefix: 16 }, ...(six ? [{ address: GATEWAY6, prefix: 64 }] : [])],
    });

  test("joins containers so that they and the host reach each other, by both protocols", async () => {
    using host = await NetworkNamespace.make();
    using first = await NetworkNamespace.make();
    using second = await NetworkNamespace.make();
    const bridge = await bridgeOn(host, true);
    await attachVeth(native, attachment(host, first, bridge, 2, true));
    const { index, insideIndex } = await attachVeth(native, attachment(host, second, bridge, 3, true));
    expect(await host.run(...PING, "10.77.0.3")).toContain("1 packets received");
    expect(await first.run(...PING, "10.77.0.3")).toContain("1 packets received");
    expect(await first.run(...PING, "10.77.0.1")).toContain("1 packets received");
    expect(await first.run(...PING, "fd77::3")).toContain("1 packets received");
    expect(await findLink(native, host.fd, index)).toMatchObject({
      name: "gv000000000003",
      alias: "gantry:container3:endpoint3",
      master: bridge,
      mtu: 1450,
      parent: insideIndex,
    });
    expect(await findLink(native, second.fd, insideIndex)).toMatchObject({
      name: "eth0",
      up: true,
      mac: Uint8Array.from([2, 0x42, 10, 77, 0, 3]),
      mtu: 1450,
    });
    expect(await second.setting("net/ipv6/conf/eth0/accept_ra")).toBe("0");
    expect(await second.setting("net/ipv6/conf/eth0/disable_ipv6")).toBe("0");
  });

  test("gives no IPv6 at all to who has no address of it", async () => {
    using host = await NetworkNamespace.make();
    using inside = await NetworkNamespace.make();
    await attachVeth(native, attachment(host, inside, await bridgeOn(host), 2));
    expect(await inside.setting("net/ipv6/conf/eth0/disable_ipv6")).toBe("1");
    expect(await host.setting(`net/ipv6/conf/${BRIDGE.name}/disable_ipv6`)).toBe("1");
    const addresses = await listAddresses(native, inside.fd);
    expect(addresses.map(({ address }) => [...address])).toEqual([[10, 77, 0, 2]]);
    const routes = await listRoutes(native, inside.fd);
    expect(routes.map(({ gateway }) => gateway)).toEqual([GATEWAY, undefined]);
  });

  test("keeps isolated ports from each other, but not from the host", async () => {
    using host = await NetworkNamespace.make();
    using first = await NetworkNamespace.make();
    using second = await NetworkNamespace.make();
    const bridge = await bridgeOn(host);
    const port = { isolated: true };
    await attachVeth(native, { ...attachment(host, first, bridge, 2), port });
    await attachVeth(native, { ...attachment(host, second, bridge, 3), port });
    expect(await first.run(...PING, "10.77.0.1")).toContain("1 packets received");
    expect(await first.run("busybox", "ping", "-c", "1", "-W", "1", "10.77.0.3")).toContain("exit 1");
  });

  test("takes the place of what an earlier call has left; detachVeth() leaves nothing, twice", async () => {
    using host = await NetworkNamespace.make();
    using inside = await NetworkNamespace.make();
    const wish = attachment(host, inside, await bridgeOn(host), 2);
    const pair = { kind: "veth", peer: { name: "eth0", namespace: inside.fd } } as const;
    // Killed before the link had its alias, then when all was done.
    accepted(await exchange(native, PROTOCOL.route, host.fd, [newLink({ name: wish.name, type: pair })]));
    expect((await listOwn(native, host.fd, OWN)).map(({ name }) => name)).toEqual([BRIDGE.name, wish.name]);
    const { index } = await attachVeth(native, wish);
    const again = await attachVeth(native, wish);
    expect(again.index).not.toBe(index);
    expect(await inside.run(...PING, "10.77.0.1")).toContain("1 packets received");
    await detachVeth(native, wish);
    await detachVeth(native, wish);
    expect((await listOwn(native, host.fd, OWN)).map(({ name }) => name)).toEqual([BRIDGE.name]);
    expect((await listLinks(native, inside.fd)).map(({ name }) => name)).toEqual(["lo"]);
  });

  test("leaves alone what is somebody else's, on both sides", async () => {
    using host = await NetworkNamespace.make();
    using inside = await NetworkNamespace.make();
    const wish = attachment(host, inside, await bridgeOn(host), 2);
    accepted(
      await exchange(native, PROTOCOL.route, host.fd, [
        newLink({ name: wish.name, type: { kind: "bridge" } }),
      ]),
    );
    const foreign = await findLink(native, host.fd, wish.name);
    const alias = changeLink(foreign?.index ?? 0, { alias: "mine" });
    accepted(await exchange(native, PROTOCOL.route, host.fd, [alias]));
    expect(await failureOf(attachVeth(native, wish))).toMatchObject({ category: "conflict" });
    expect(await failureOf(detachVeth(native, wish))).toMatchObject({ category: "conflict" });
    expect(await findLink(native, host.fd, wish.name)).toMatchObject({ alias: "mine" });
    expect((await listOwn(native, host.fd, OWN)).map(({ name }) => name)).toEqual([BRIDGE.name]);

    const eth0 = newLink({ name: "eth0", type: { kind: "bridge" } });
    accepted(await exchange(native, PROTOCOL.route, inside.fd, [eth0]));
    const other = attachment(host, inside, wish.bridge, 3);
    expect(messageOf(await failureOf(attachVeth(native, other)))).toContain(
      'has a network link "eth0" already',
    );
    expect(await findLink(native, host.fd, other.name)).toBeUndefined();
  });

  test("leaves nothing when a part of it fails", async () => {
    using host = await NetworkNamespace.make();
    using inside = await NetworkNamespace.make();
    const wish = attachment(host, inside, await bridgeOn(host), 2);
    const before = await listLinks(native, host.fd);
    const unreachable = defaultVia(Uint8Array.from([192, 0, 2, 1]));
    const failing: readonly VethAttachment[] = [
      { ...wish, inside: { ...wish.inside, routes: [unreachable] } },
      { ...wish, bridge: 1 },
      { ...wish, bridge: 9999 },
      { ...wish, alias: "a".repeat(300) },
      { ...wish, rates: { outBytesPerSecond: 1000.5 } },
      { ...wish, inside: { ...wish.inside, addresses: [{ address: GATEWAY, prefix: 99 }] } },
    ];
    for (const [at, attempt] of failing.entries()) {
      expect(await failureOf(attachVeth(native, attempt)), String(at)).toBeInstanceOf(Error);
      expect(await listLinks(native, host.fd), String(at)).toEqual(before);
      expect((await listLinks(native, inside.fd)).length, String(at)).toBe(1);
    }
    await attachVeth(native, wish);
  });
});
