import { endianness } from "node:os";
import { describe, expect, test } from "bun:test";
import { builtNative } from "../../../test/support/native.ts";
import { NetworkNamespace } from "../../../test/support/network-namespace.ts";
import { describeWith } from "../../../test/support/requires.ts";
import { deleteAddress, listAddresses, newAddress } from "./addresses.ts";
import { accepted, exchange, PROTOCOL } from "./exchange.ts";
import { findLink } from "./link-listing.ts";
import { changeLink, newLink } from "./links.ts";
import type { Message } from "./message.ts";
import { flushNeighbours } from "./neighbours.ts";
import { defaultVia, deleteRoute, listRoutes, newRoute } from "./routes.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const groups = (...parts: readonly string[]): string => parts.join("").replaceAll(" ", "");
const ip = (...bytes: readonly number[]): Uint8Array => Uint8Array.from(bytes);
const six = (last: number): Uint8Array => ip(0xfd, 0, ...Array.from({ length: 13 }, () => 0), last);
const subnet = (address: Uint8Array, prefix: number) => ({ address, prefix });

describe.skipIf(endianness() === "BE")("addresses and routes as bytes", () => {
  test("an IPv4 address has its subnet's broadcast address", () => {
    expect(hex(newAddress(5, subnet(ip(10, 1, 2, 3), 20)).bytes)).toBe(
      groups(
        "30000000 1400 0506 00000000 00000000",
        "02 14 00 00 05000000",
        "0800 0200 0a010203 0800 0100 0a010203 0800 0400 0a010fff",
      ),
    );
    expect(hex(newAddress(5, subnet(ip(10, 1, 2, 3), 31)).bytes)).not.toContain("08000400");
  });

  test("an IPv6 address is used at once", () => {
    expect(hex(newAddress(5, subnet(six(2), 64)).bytes)).toContain(groups("0800 0800 02000000"));
  });

  test("a default route has no destination", () => {
    expect(hex(newRoute({ ...defaultVia(ip(10, 1, 0, 1)), link: 5 }).bytes)).toBe(
      groups(
        "2c000000 1800 0506 00000000 00000000",
        "02 00 00 00 fe 03 00 01 00000000",
        "0800 0500 0a010001 0800 0400 05000000",
      ),
    );
  });

  test("addresses and prefixes that cannot be are refused", () => {
    expect(() => newAddress(5, subnet(ip(1, 2, 3), 8))).toThrow("3 bytes");
    for (const prefix of [-1, 33, 1.5]) expect(() => newAddress(5, subnet(ip(1, 2, 3, 4), prefix))).toThrow();
    expect(() => newRoute({ destination: subnet(six(0), 129), link: 5 })).toThrow("129 bits");
  });
});

describeWith("addresses and routes in the kernel", ["root", "native"], () => {
  const native = builtNative();

  async function withLink(work: (namespace: NetworkNamespace, link: number) => Promise<void>): Promise<void> {
    using namespace = await NetworkNamespace.make();
    const peer = { name: "b" };
    const pair = newLink({ name: "a", type: { kind: "veth", peer }, up: true });
    accepted(await exchange(native, PROTOCOL.route, namespace.fd, [pair]));
    const link = await findLink(native, namespace.fd, "a");
    await work(namespace, link?.index ?? 0);
  }
  const order = (namespace: NetworkNamespace, ...messages: readonly Message[]) =>
    exchange(native, PROTOCOL.route, namespace.fd, messages);

  test("addresses come and go", () =>
    withLink(async (namespace, link) => {
      const [four, other] = [subnet(ip(10, 1, 2, 3), 20), subnet(six(2), 64)];
      accepted(await order(namespace, newAddress(link, four), newAddress(link, other)));
      expect(await listAddresses(native, namespace.fd)).toEqual(
        expect.arrayContaining([
          { ...four, link, tentative: false },
          { ...other, link, tentative: false },
        ]),
      );
      expect(await order(namespace, newAddress(link, four))).toMatchObject([{ code: "EEXIST" }]);
      accepted(await order(namespace, deleteAddress(link, four), deleteAddress(link, other)));
      const left = await listAddresses(native, namespace.fd);
      expect(left.filter(({ prefix }) => prefix === 20 || prefix === 64)).toEqual([]);
      expect(await order(namespace, deleteAddress(link, four))).toMatchObject([{ code: "EADDRNOTAVAIL" }]);
    }));

  test("routes come and go, also to a gateway that only the wire knows", () =>
    withLink(async (namespace, link) => {
      const wishes = [
        { ...defaultVia(ip(10, 1, 0, 1)), link },
        { destination: subnet(ip(10, 9, 0, 0), 16), link, metric: 7 },
        { destination: subnet(ip(10, 8, 0, 0), 16), gateway: ip(192, 0, 2, 1), link, onLink: true },
        { ...defaultVia(six(1)), link },
      ];
      accepted(
        await order(
          namespace,
          newAddress(link, subnet(ip(10, 1, 2, 3), 20)),
          newAddress(link, subnet(six(2), 64)),
          ...wishes.map(newRoute),
        ),
      );
      const routes = await listRoutes(native, namespace.fd);
      for (const wish of wishes)
        expect(routes).toContainEqual(expect.objectContaining({ onLink: false, ...wish }));
      const unreachable = newRoute({
        destination: subnet(ip(10, 7, 0, 0), 16),
        gateway: ip(192, 0, 2, 1),
        link,
      });
      expect(await order(namespace, unreachable)).toMatchObject([{ code: "ENETUNREACH" }]);
      accepted(await order(namespace, ...wishes.map(deleteRoute)));
      const left = await listRoutes(native, namespace.fd);
      expect(left.filter(({ gateway, metric }) => gateway !== undefined || metric === 7)).toEqual([]);
      expect(await order(namespace, ...wishes.slice(0, 1).map(deleteRoute))).toMatchObject([
        { code: "ESRCH" },
      ]);
    }));

  test("neighbours are forgotten, one or all that were learned", () =>
    withLink(async (namespace, link) => {
      accepted(await order(namespace, changeLink(link, { up: true })));
      const add = (address: string, state: string) =>
        namespace.run("ip", "neigh", "add", address, "lladdr", "02:42:0a:00:00:09", "dev", "a", "nud", state);
      await add("10.1.2.4", "stale");
      await add("10.1.2.5", "stale");
      await add("10.1.2.6", "stale");
      await add("10.1.2.7", "permanent");
      const known = async (): Promise<readonly string[]> => {
        const lines = (await namespace.run("ip", "-4", "neigh", "show")).matchAll(/^(\S+) dev/gm);
        return [...lines].map(([, address = ""]) => address).toSorted();
      };
      expect(await known()).toHaveLength(4);
      await flushNeighbours(native, namespace.fd, link, ip(10, 1, 2, 5));
      expect(await known()).toEqual(["10.1.2.4", "10.1.2.6", "10.1.2.7"]);
      await flushNeighbours(native, namespace.fd, link + 1);
      expect(await known()).toHaveLength(3);
      await flushNeighbours(native, namespace.fd, link);
      expect(await known()).toEqual(["10.1.2.7"]);
    }));
});
