/**
 * What joining containers to networks costs, in network namespaces that are there for it: median and worst of each step, in µs.
 *
 *     bun bench/netlink.ts [ROUNDS]        root; the native part must be built
 */
import { NetworkNamespace } from "../test/support/network-namespace.ts";
import { builtNative } from "../test/support/native.ts";
import { attachBelow, detachBelow } from "../src/linux/netlink/attach-below.ts";
import { attachVeth, detachVeth, type VethAttachment } from "../src/linux/netlink/attach-veth.ts";
import { accepted, exchange, PROTOCOL } from "../src/linux/netlink/exchange.ts";
import { forgetFlows } from "../src/linux/netlink/conntrack.ts";
import { makeBridge } from "../src/linux/netlink/host-links.ts";
import { findLink } from "../src/linux/netlink/link-listing.ts";
import { changeLink, deleteLink, linkQuestion, newLink } from "../src/linux/netlink/links.ts";
import { newAddress } from "../src/linux/netlink/addresses.ts";
import { limitRates } from "../src/linux/netlink/rates.ts";
import { defaultVia, newRoute } from "../src/linux/netlink/routes.ts";
import type { Message } from "../src/linux/netlink/message.ts";

const rounds = Number(process.argv[2] ?? "30");
const native = builtNative();
const times = new Map<string, number[]>();

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work();
  const list = times.get(what) ?? [];
  list.push((performance.now() - start) * 1000);
  times.set(what, list);
  return result;
}

const ip = (...bytes: readonly number[]): Uint8Array => Uint8Array.from(bytes);
const GATEWAY = ip(10, 77, 0, 1);
const six = (last: number): Uint8Array => ip(0xfd, 0x77, ...Array.from({ length: 13 }, () => 0), last);

using host = await NetworkNamespace.make();
const order = async ({ fd }: NetworkNamespace, ...messages: readonly Message[]) =>
  accepted(await exchange(native, PROTOCOL.route, fd, messages));

/** One message after the other, each in a batch of its own: what the kernel takes for it. */
async function steps(inside: NetworkNamespace, bridge: number): Promise<void> {
  const peer = { name: "eth9", namespace: inside.fd };
  await timed("  a question", () => order(host, linkQuestion(1)));
  await timed("  a question in the container", () => order(inside, linkQuestion(1)));
  await timed("  make a pair", () =>
    order(host, newLink({ name: "gvx", type: { kind: "veth", peer }, up: true })),
  );
  const port = await findLink(native, host.fd, "gvx");
  const [index, other] = [port?.index ?? 0, port?.parent ?? 0];
  await timed("  join the bridge", () => order(host, changeLink(index, { master: bridge })));
  await timed("  alias", () => order(host, changeLink(index, { alias: "gantry:a:b" })));
  await timed("  a setting", () =>
    native.writeNetSettings(inside.fd, [["net/ipv6/conf/eth9/disable_ipv6", "1"]]),
  );
  await timed("  address", () => order(inside, newAddress(other, { address: ip(10, 77, 0, 9), prefix: 16 })));
  await timed("  up", () => order(inside, changeLink(other, { up: true })));
  await timed("  route", () => order(inside, newRoute({ ...defaultVia(GATEWAY), link: other })));
  await timed("  delete the pair", () => order(host, deleteLink(index)));
}

function container(inside: NetworkNamespace, bridge: number, isDual: boolean): VethAttachment {
  return {
    namespace: host.fd,
    name: "gv0123456789ab",
    alias: "gantry:container:endpoint",
    bridge,
    inside: {
      namespace: inside.fd,
      name: "eth0",
      mac: ip(2, 0x42, 10, 77, 0, 2),
      addresses: [
        { address: ip(10, 77, 0, 2), prefix: 16 },
        ...(isDual ? [{ address: six(2), prefix: 64 }] : []),
      ],
      routes: [defaultVia(GATEWAY), ...(isDual ? [defaultVia(six(1))] : [])],
    },
  };
}

const addresses = [
  { address: GATEWAY, prefix: 16 },
  { address: six(1), prefix: 64 },
];
const MAC = ip(2, 0x42, 10, 77, 0, 1);
const bridge = await makeBridge(native, host.fd, { name: "br0", alias: "gantry:n", mac: MAC, addresses });

for (let round = 0; round < rounds; round++) {
  using inside = await NetworkNamespace.make();
  await timed("make a bridge", () =>
    makeBridge(native, host.fd, { name: `br-${round}`, alias: "gantry:m", mac: MAC, addresses: [] }),
  );
  for (const isDual of [false, true]) {
    const own = container(inside, bridge, isDual);
    const protocols = isDual ? "IPv4 and IPv6" : "IPv4";
    await timed(`attach to a bridge, ${protocols}`, () => attachVeth(native, own));
    if (!isDual) {
      const rates = { inBytesPerSecond: 1_000_000, outBytesPerSecond: 1_000_000 };
      await timed("limit both directions", () => limitRates(native, host.fd, own, rates));
    }
    await timed(`detach from a bridge, ${isDual ? "not limited" : "limited"}`, () => detachVeth(native, own));
  }
  const { inside: there } = container(inside, bridge, false);
  const below = {
    namespace: host.fd,
    type: { kind: "macvlan", parent: bridge, mode: "bridge" },
    alias: "gantry:container:endpoint",
    inside: there,
  } as const;
  await timed("attach to a parent (macvlan)", () => attachBelow(native, below));
  await timed("detach from a parent", () => detachBelow(native, below));
  await timed("forget flows, none there", () =>
    forgetFlows(native, host.fd, { family: "ipv4", replySource: { address: GATEWAY } }),
  );
  await steps(inside, bridge);
  await order(host, deleteLink(`br-${round}`));
}

for (const [what, list] of times) {
  const sorted = list.toSorted((a, b) => a - b);
  const [median = 0, worst = 0] = [sorted[sorted.length >> 1], sorted.at(-1)];
  console.log(what.padEnd(40), String(Math.round(median)).padStart(7), String(Math.round(worst)).padStart(7));
}
