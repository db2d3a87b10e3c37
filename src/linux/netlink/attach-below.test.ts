import { expect, test } from "bun:test";
import { failureOf } from "../../../test/support/failure.ts";
import { messageOf } from "../../base/errors.ts";
import { builtNative } from "../../../test/support/native.ts";
import { NetworkNamespace } from "../../../test/support/network-namespace.ts";
import { describeWith } from "../../../test/support/requires.ts";
import { attachBelow, type BelowAttachment, detachBelow } from "./attach-below.ts";
import { accepted, exchange, NetlinkError, PROTOCOL } from "./exchange.ts";
import { findLink, listLinks } from "./link-listing.ts";
import { newLink } from "./links.ts";
import { listOwn } from "./own-links.ts";

const native = builtNative();
const PING = ["busybox", "ping", "-c", "1", "-W", "2"];

/** A wire: the parent of all, and its other end with the address 10.78.0.1. */
async function wire(host: NetworkNamespace): Promise<number> {
  const pair = newLink({ name: "wan", type: { kind: "veth", peer: { name: "far" } }, up: true });
  accepted(await exchange(native, PROTOCOL.route, host.fd, [pair]));
  await host.run("busybox", "ip", "addr", "add", "10.78.0.1/16", "dev", "far");
  await host.run("busybox", "ip", "link", "set", "far", "up");
  return (await findLink(native, host.fd, "wan"))?.index ?? 0;
}

function below(
  host: NetworkNamespace,
  inside: NetworkNamespace,
  type: BelowAttachment["type"],
  number: number,
): BelowAttachment {
  return {
    namespace: host.fd,
    type,
    alias: `gantry:container${number}:endpoint${number}`,
    inside: {
      namespace: inside.fd,
      name: "eth0",
      addresses: [{ address: Uint8Array.from([10, 78, 0, number]), prefix: 16 }],
      routes: [{ destination: { address: new Uint8Array(4), prefix: 0 } }],
    },
  };
}

describeWith("attachBelow()", ["root", "native", "busybox"], () => {
  test.each(["bridge", "passthru"] as const)(
    "%s: waits for what one that has ended still has, and not for one that goes on",
    async (mode) => {
      using host = await NetworkNamespace.make();
      using second = await NetworkNamespace.make();
      const type = { kind: "macvlan", parent: await wire(host), mode } as const;
      const mac = Uint8Array.from([2, 0x42, 10, 78, 0, 2]);
      const wishOf = (inside: NetworkNamespace): BelowAttachment => {
        const wish = below(host, inside, type, 2);
        return { ...wish, inside: { ...wish.inside, mac } };
      };
      const first = await NetworkNamespace.make();
      await attachBelow(native, wishOf(first));
      const gone = Bun.sleep(150).then(() => first[Symbol.dispose]());
      expect(await attachBelow(native, wishOf(second))).toBeGreaterThan(0);
      await gone;
      using third = await NetworkNamespace.make();
      const failure = messageOf(await failureOf(attachBelow(native, wishOf(third))));
      expect(failure).toContain(mode === "bridge" ? "its address is another's" : "mode passthru");
      expect((await listLinks(native, third.fd)).map(({ name }) => name)).toEqual(["lo"]);
    },
    10_000,
  );

  test("puts containers on the parent's wire, and leaves the host's namespace as it was", async () => {
    using host = await NetworkNamespace.make();
    using first = await NetworkNamespace.make();
    using second = await NetworkNamespace.make();
    const parent = await wire(host);
    const before = await listLinks(native, host.fd);
    const type = { kind: "macvlan", parent, mode: "bridge" } as const;
    const mac = Uint8Array.from([2, 0x42, 10, 78, 0, 2]);
    const wish = below(host, first, type, 2);
    const index = await attachBelow(native, { ...wish, inside: { ...wish.inside, mac } });
    await attachBelow(native, below(host, second, type, 3));
    expect(await first.run(...PING, "10.78.0.1")).toContain("1 packets received");
    expect(await first.run(...PING, "10.78.0.3")).toContain("1 packets received");
    expect(await findLink(native, first.fd, "eth0")).toMatchObject({
      index,
      kind: "macvlan",
      mac,
      parent,
      up: true,
      alias: wish.alias,
    });
    expect(await first.setting("net/ipv6/conf/eth0/disable_ipv6")).toBe("1");
    expect((await listLinks(native, host.fd)).map(({ name }) => name)).toEqual(
      before.map(({ name }) => name),
    );
    await detachBelow(native, wish);
    await detachBelow(native, wish);
    expect((await listLinks(native, first.fd)).map(({ name }) => name)).toEqual(["lo"]);
  });

  test.each(["private", "vepa", "bridge", "passthru"] as const)("has the mode %s", async (mode) => {
    using host = await NetworkNamespace.make();
    using inside = await NetworkNamespace.make();
    const parent = await wire(host);
    await attachBelow(native, below(host, inside, { kind: "macvlan", parent, mode }, 2));
    expect(await inside.run("ip", "-d", "link", "show", "eth0")).toContain(`macvlan mode ${mode}`);
  });

  test("keeps private ones from each other", async () => {
    using host = await NetworkNamespace.make();
    using first = await NetworkNamespace.make();
    using second = await NetworkNamespace.make();
    const type = { kind: "macvlan", parent: await wire(host), mode: "private" } as const;
    await attachBelow(native, below(host, first, type, 2));
    await attachBelow(native, below(host, second, type, 3));
    expect(await first.run(...PING, "10.78.0.1")).toContain("1 packets received");
    expect(await first.run("busybox", "ping", "-c", "1", "-W", "1", "10.78.0.3")).toContain("exit 1");
  });

  test("takes its own place, not somebody else's, and leaves nothing when it fails", async () => {
    using host = await NetworkNamespace.make();
    using inside = await NetworkNamespace.make();
    const type = { kind: "macvlan", parent: await wire(host), mode: "bridge" } as const;
    const wish = below(host, inside, type, 2);
    const unreachable = {
      destination: { address: new Uint8Array(4), prefix: 0 },
      gateway: wish.inside.addresses[0]?.address,
    };
    expect(
      messageOf(
        await failureOf(
          attachBelow(native, { ...wish, inside: { ...wish.inside, addresses: [], routes: [unreachable] } }),
        ),
      ),
    ).toContain("cannot give");
    expect(
      messageOf(await failureOf(attachBelow(native, { ...wish, type: { ...type, parent: 9999 } }))),
    ).toContain("ENODEV");
    expect((await listLinks(native, inside.fd)).map(({ name }) => name)).toEqual(["lo"]);
    await attachBelow(native, wish);
    await attachBelow(native, wish);
    expect(await failureOf(attachBelow(native, { ...wish, alias: "gantry:other:one" }))).toMatchObject({
      category: "conflict",
    });
    expect(await listOwn(native, inside.fd, { alias: "gantry:container2:", names: [] })).toHaveLength(1);
  });

  test("makes ipvlan links where the kernel has them, and says so where not", async () => {
    using host = await NetworkNamespace.make();
    using first = await NetworkNamespace.make();
    using second = await NetworkNamespace.make();
    const parent = await wire(host);
    const type = { kind: "ipvlan", parent, mode: "l2", isolation: "bridge" } as const;
    const probe = newLink({ name: "probe", type });
    const [outcome] = await exchange(native, PROTOCOL.route, host.fd, [probe]);
    if (outcome instanceof NetlinkError) {
      expect(await failureOf(attachBelow(native, below(host, first, type, 2)))).toMatchObject({
        category: "not_implemented",
      });
      return;
    }
    await attachBelow(native, below(host, first, type, 2));
    await attachBelow(native, below(host, second, type, 3));
    expect(await first.run(...PING, "10.78.0.1")).toContain("1 packets received");
    expect(await first.run(...PING, "10.78.0.3")).toContain("1 packets received");
  });
});
