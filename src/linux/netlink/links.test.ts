import { endianness } from "node:os";
import { describe, expect, test } from "bun:test";
import { builtNative } from "../../../test/support/native.ts";
import { NetworkNamespace } from "../../../test/support/network-namespace.ts";
import { describeWith } from "../../../test/support/requires.ts";
import { accepted, exchange, PROTOCOL } from "./exchange.ts";
import { findLink, listLinks, readLink } from "./link-listing.ts";
import { changeLink, changePort, deleteLink, linkQuestion, newLink } from "./links.ts";
import type { Message } from "./message.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const groups = (...parts: readonly string[]): string => parts.join("").replaceAll(" ", "");
const MAC = Uint8Array.from([2, 0x42, 10, 0, 0, 2]);

describe.skipIf(endianness() === "BE")("links as bytes", () => {
  test("a veth pair with its other end in a namespace", () => {
    const peer = { name: "eth0", namespace: 7, mac: MAC, mtu: 1500 };
    const order = newLink({ name: "gv1", type: { kind: "veth", peer }, master: 3, up: true });
    expect(hex(order.bytes)).toBe(
      groups(
        "80000000 1000 0506 00000000 00000000", // RTM_NEWLINK; request, ack, create, exclusive
        "00 00 0000 00000000 01000000 01000000", // up, and nothing else
        "0800 0300 67763100", // IFLA_IFNAME
        "0800 0a00 03000000", // IFLA_MASTER
        "5000 1280", // IFLA_LINKINFO
        "0900 0100 7665746800 000000", // IFLA_INFO_KIND "veth"
        "4000 0280 3c00 0100", // IFLA_INFO_DATA, VETH_INFO_PEER
        "00 00 0000 00000000 00000000 00000000",
        "0900 0300 6574683000 000000",
        "0a00 0100 02420a000002 0000",
        "0800 0400 dc050000", // IFLA_MTU
        "0800 1c00 07000000", // IFLA_NET_NS_FD
      ),
    );
  });

  test.each<[string, Message, string]>([
    [
      "macvlan",
      newLink({ name: "e", type: { kind: "macvlan", parent: 9, mode: "bridge" } }),
      groups("0800 0500 09000000", "1c00 1280 0c00 0100 6d6163766c616e00", "0c00 0280 0800 0100 04000000"),
    ],
    [
      "ipvlan",
      newLink({ name: "e", type: { kind: "ipvlan", parent: 9, mode: "l3s", isolation: "private" } }),
      groups(
        "0800 0500 09000000",
        "2400 1280 0b00 0100 6970766c616e00 00",
        "1400 0280 0600 0100 0200 0000 0600 0200 0100 0000",
      ),
    ],
    [
      "vlan",
      newLink({ name: "e", type: { kind: "vlan", parent: 9, id: 50 } }),
      groups("0800 0500 09000000", "1c00 1280 0900 0100 766c616e00 000000", "0c00 0280 0600 0100 3200 0000"),
    ],
    [
      "bridge",
      newLink({ name: "e", type: { kind: "bridge", multicastSnooping: false } }),
      groups("1c00 1280 0b00 0100 62726964676500 00", "0c00 0280 0500 1700 00 000000"),
    ],
  ])("the kind %s", (_kind, order, tail) => {
    expect(hex(order.bytes).slice(32 + 32)).toBe(groups("0600 0300 6500 0000", tail));
  });

  test("a change says only what changes", () => {
    expect(hex(changeLink(5, { alias: "a:b", master: 0, up: false }).bytes)).toBe(
      groups(
        "30000000 1300 0500 00000000 00000000",
        "00 00 0000 05000000 00000000 01000000",
        "0800 1400 613a6200",
        "0800 0a00 00000000",
      ),
    );
    expect(hex(changePort(5, { hairpin: true, isolated: false }).bytes).slice(64)).toBe(
      groups("2400 1280 0b00 0400 62726964676500 00", "1400 0580 0500 0400 01 000000 0500 2100 00 000000"),
    );
  });

  test("what no kernel takes is refused", () => {
    const type = { kind: "bridge" } as const;
    for (const name of ["", "a/b", "sixteen-letters-", "..", "a b"])
      expect(() => newLink({ name, type }), name).toThrow("no name");
    expect(() => newLink({ name: "a", type, mac: MAC.subarray(1) })).toThrow("5 bytes");
    expect(() => newLink({ name: "a", type: { kind: "vlan", parent: 1, id: 4095 } })).toThrow("4095");
    expect(() => changeLink(1, { alias: "a".repeat(256) })).toThrow("too long");
  });
});

describeWith("links in the kernel", ["root", "native"], () => {
  const native = builtNative();
  const order = async (namespace: NetworkNamespace, ...messages: readonly Message[]) =>
    accepted(await exchange(native, PROTOCOL.route, namespace.fd, messages));

  test("a pair across namespaces is there as it was wished for, and goes as a whole", async () => {
    using host = await NetworkNamespace.make();
    using inside = await NetworkNamespace.make();
    await order(host, newLink({ name: "br0", type: { kind: "bridge" }, up: true }));
    const bridge = await findLink(native, host.fd, "br0");
    expect(bridge).toMatchObject({ kind: "bridge", up: true, alias: undefined, master: undefined });
    const peer = { name: "eth0", namespace: inside.fd, mac: MAC, mtu: 1400 };
    const master = bridge?.index;
    const pair = newLink({ name: "gv1", type: { kind: "veth", peer }, mtu: 1400, master, up: true });
    const [, [answer] = []] = await order(host, pair, linkQuestion("gv1"));
    if (answer === undefined) throw new Error("no answer");
    const port = readLink(answer);
    expect(port).toMatchObject({ name: "gv1", kind: "veth", up: true, mtu: 1400, master });
    expect(port.parentNamespace).toBeDefined();
    expect(await findLink(native, inside.fd, port.parent ?? 0)).toMatchObject({
      name: "eth0",
      mac: MAC,
      mtu: 1400,
      up: false,
    });
    await order(
      host,
      changeLink(port.index, { alias: "gantry:x:y" }),
      changePort(port.index, { hairpin: true, isolated: true, learning: false }),
    );
    expect(await findLink(native, host.fd, port.index)).toMatchObject({
      alias: "gantry:x:y",
      port: { hairpin: true, isolated: true, learning: false },
    });
    await order(inside, changeLink(port.parent ?? 0, { name: "net1", mtu: 1300, up: true }));
    expect(await findLink(native, inside.fd, "net1")).toMatchObject({ mtu: 1300, up: true });
    await order(host, changeLink(port.index, { master: 0 }));
    expect((await findLink(native, host.fd, "gv1"))?.master).toBeUndefined();
    await order(host, deleteLink("gv1"));
    expect(await findLink(native, host.fd, "gv1")).toBeUndefined();
    expect(await findLink(native, inside.fd, "net1")).toBeUndefined();
  });

  test("a refusal has its errno and the kernel's words, and what is behind it in the batch happens", async () => {
    using host = await NetworkNamespace.make();
    const bridge = newLink({ name: "br0", type: { kind: "bridge" } });
    const outcomes = await exchange(native, PROTOCOL.route, host.fd, [
      bridge,
      bridge,
      newLink({ name: "ipv", type: { kind: "macvlan", parent: 0, mode: "bridge" } }),
      newLink({ name: "br1", type: { kind: "bridge" } }),
    ]);
    expect(outcomes).toMatchObject([[], { code: "EEXIST" }, { code: "ENODEV" }, []]);
    expect((await listLinks(native, host.fd)).map(({ name }) => name).toSorted()).toEqual([
      "br0",
      "br1",
      "lo",
    ]);
    const [refused] = await exchange(native, PROTOCOL.route, host.fd, [changeLink(2, { mtu: 1 })]);
    expect(refused).toMatchObject({ code: "EINVAL", words: "mtu less than device minimum" });
  });

  test("more links than one datagram holds are listed whole", async () => {
    using host = await NetworkNamespace.make();
    const names = Array.from({ length: 40 }, (_, at) => `b${at}`);
    await order(host, ...names.map((name) => newLink({ name, type: { kind: "bridge" } })));
    expect(new Set((await listLinks(native, host.fd)).map(({ name }) => name))).toEqual(
      new Set(["lo", ...names]),
    );
  });
});
