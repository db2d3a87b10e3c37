import { endianness } from "node:os";
import { describe, expect, test } from "bun:test";
import { failureOf } from "../../../test/support/failure.ts";
import { builtNative } from "../../../test/support/native.ts";
import { NetworkNamespace } from "../../../test/support/network-namespace.ts";
import { describeWith } from "../../../test/support/requires.ts";
import { until } from "../../../test/support/until.ts";
import { attachVeth, detachVeth, type VethAttachment } from "./attach-veth.ts";
import { accepted, exchange, PROTOCOL } from "./exchange.ts";
import { makeBridge } from "./host-links.ts";
import { listLinks } from "./link-listing.ts";
import { deleteLink } from "./links.ts";
import { limitRates, readRates } from "./rates.ts";
import { limitOutput, redirectInput } from "./shaping.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const groups = (...parts: readonly string[]): string => parts.join("").replaceAll(" ", "");

describe.skipIf(endianness() === "BE")("limits as bytes", () => {
  test("a token bucket holds 10 ms, at least 64 KiB, and 50 ms wait behind it", () => {
    expect(hex(limitOutput(5, 1_000_000).bytes)).toBe(
      groups(
        "60000000 2400 0505 00000000 00000000",
        "00 00 0000 05000000 00000000 ffffffff 00000000",
        "0800 0100 74626600", // TCA_KIND
        "3400 0280 2800 0100",
        "00 01 0000 0000 0000 40420f00", // rate
        "00 00 0000 0000 0000 00000000", // no peak
        "50c30100 00000000 00000000", // 65536 + 50000 wait
        "0800 0600 00000100", // TCA_TBF_BURST
      ),
    );
    expect(hex(limitOutput(5, 5_000_000_000).bytes)).toContain(
      groups("0800 0600 80f0fa02", "0c00 0400 00f2052a01000000"),
    );
    for (const rate of [0, -1, 0.5, Number.NaN, Infinity]) expect(() => limitOutput(5, rate)).toThrow();
  });

  test("all that comes in is sent out of another link", () => {
    const [queue, filter] = redirectInput(5, 9);
    expect(hex(queue?.bytes ?? new Uint8Array()).slice(32)).toBe(
      groups("00 00 0000 05000000 0000ffff f1ffffff 00000000", "0c00 0100 696e677265737300", "0400 0280"),
    );
    expect(hex(filter?.bytes ?? new Uint8Array()).slice(32)).toBe(
      groups(
        "00 00 0000 05000000 00000000 0000ffff 00030100", // priority 1, ETH_P_ALL
        "0800 0100 75333200",
        "6000 0280",
        "2400 0500 01 00 01 00 0000 0000 0000 0000 00000000 00000000 00000000 00000000 00000000",
        "3800 0780 3400 0180",
        "0b00 0100 6d697272656400 00",
        "2400 0280 2000 0200",
        "00000000 00000000 04000000 00000000 00000000 01000000 09000000",
      ),
    );
  });
});

describeWith("limitRates()", ["root", "native", "busybox"], () => {
  const native = builtNative();
  const GATEWAY = Uint8Array.from([10, 77, 0, 1]);

  async function withContainer(
    rates: VethAttachment["rates"],
    work: (host: NetworkNamespace, inside: NetworkNamespace, own: VethAttachment) => Promise<void>,
  ): Promise<void> {
    using host = await NetworkNamespace.make();
    using inside = await NetworkNamespace.make();
    const bridge = await makeBridge(native, host.fd, {
      name: "br0",
      alias: "gantry:n",
      mac: Uint8Array.from([2, 0x42, 10, 77, 0, 1]),
      addresses: [{ address: GATEWAY, prefix: 16 }],
    });
    const own: VethAttachment = {
      namespace: host.fd,
      name: "gv0123456789ab",
      alias: "gantry:c:e",
      bridge,
      rates,
      inside: {
        namespace: inside.fd,
        name: "eth0",
        addresses: [{ address: Uint8Array.from([10, 77, 0, 2]), prefix: 16 }],
        routes: [],
      },
    };
    await attachVeth(native, own);
    await work(host, inside, own);
  }

  test("may be changed, one by one, and taken away; they are read back", () =>
    withContainer(undefined, async (host, _inside, own) => {
      const names = async () => (await listLinks(native, host.fd)).map(({ name }) => name).toSorted();
      const before = await names();
      for (const rates of [
        { inBytesPerSecond: 1_000_000, outBytesPerSecond: 2_000_000 },
        { inBytesPerSecond: 6_000_000_000, outBytesPerSecond: undefined },
        { inBytesPerSecond: undefined, outBytesPerSecond: 300_000 },
        { inBytesPerSecond: undefined, outBytesPerSecond: 400_000 },
        { inBytesPerSecond: undefined, outBytesPerSecond: undefined },
        { inBytesPerSecond: undefined, outBytesPerSecond: undefined },
      ]) {
        await limitRates(native, host.fd, own, rates);
        expect(await readRates(native, host.fd, own.name)).toEqual(rates);
      }
      expect(await names()).toEqual(before);
      await limitRates(native, host.fd, own, { outBytesPerSecond: 1000 });
      expect(await names()).toContain("gi0123456789ab");
      await detachVeth(native, own);
      expect(await names()).toEqual(before.filter((name) => name !== own.name));
    }));

  test("a shaper that outlived its port is found and goes with detachVeth()", () =>
    withContainer({ outBytesPerSecond: 1000 }, async (host, _inside, own) => {
      accepted(await exchange(native, PROTOCOL.route, host.fd, [deleteLink(own.name)]));
      await detachVeth(native, own);
      expect((await listLinks(native, host.fd)).map(({ name }) => name).toSorted()).toEqual(["br0", "lo"]);
    }));

  test("there must be a link, and it must be ours", () =>
    withContainer(undefined, async (host, _inside, own) => {
      const rates = { inBytesPerSecond: 1000 };
      expect(await failureOf(limitRates(native, host.fd, { ...own, name: "gv1" }, rates))).toMatchObject({
        category: "not_found",
      });
      expect(
        await failureOf(limitRates(native, host.fd, { ...own, alias: "gantry:x" }, rates)),
      ).toMatchObject({
        category: "conflict",
      });
    }));

  test.each(["tbf", "ifb", "u32", "mirred", "ingress"])(
    "a kernel without %s says so by name",
    async (kind) => {
      // As one that does not know it: what it is asked for has another name.
      const unknown = (bytes: Uint8Array): Uint8Array => {
        const text = Buffer.from(bytes).toString("latin1");
        return Buffer.from(text.replaceAll(`${kind}\0`, `${kind.slice(0, -1)}~\0`), "latin1");
      };
      const without: typeof native = Object.assign(Object.create(native), {
        netlink: (protocol: number, namespace: number | undefined, bytes: Uint8Array) =>
          native.netlink(protocol, namespace, unknown(bytes)),
      });
      await withContainer(undefined, async (host, _inside, own) => {
        const failure = await failureOf(limitRates(without, host.fd, own, { outBytesPerSecond: 1000 }));
        expect(failure).toMatchObject({
          category: "not_implemented",
          message: expect.stringContaining(kind),
        });
        await limitRates(native, host.fd, own, {});
        expect(await readRates(native, host.fd, own.name)).toEqual({});
      });
    },
  );

  /** Seconds that 1.5 MB take by TCP, until who gets them has answered how much it was. */
  async function seconds(from: NetworkNamespace, to: NetworkNamespace, address: string): Promise<number> {
    const receiving = to.run("busybox", "nc", "-l", "-p", "5000", "-e", "busybox", "wc", "-c");
    const sockets = () => to.run("cat", "/proc/net/tcp", "/proc/net/tcp6");
    const listening = async () => /:1388 \S+ 0A/.test(await sockets());
    await until("the receiver to listen", listening);
    const start = performance.now();
    const send = `busybox head -c ${MEGABYTES * 1e6} /dev/zero | busybox nc ${address} 5000`;
    const [received] = await Promise.all([from.run("busybox", "sh", "-c", send), receiving]);
    expect(received.trim()).toBe(String(MEGABYTES * 1e6));
    return (performance.now() - start) / 1000;
  }
  const MEGABYTES = 1.5;

  // That the other direction is free is a matter of what readRates() reads: how fast it is then, the machine says.
  test("hold in the direction they are for", () =>
    withContainer({ inBytesPerSecond: 1_500_000 }, async (host, inside, own) => {
      expect(await seconds(host, inside, "10.77.0.2")).toBeGreaterThan(0.8);
      await limitRates(native, host.fd, own, { outBytesPerSecond: 1_500_000 });
      expect(await seconds(inside, host, "10.77.0.1")).toBeGreaterThan(0.8);
    }));
});
