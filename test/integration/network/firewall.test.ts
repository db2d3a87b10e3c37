/** Who reaches whom, on a real kernel: the firewall of container networks in a host of its own. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { redirectDns } from "../../../src/core/network/firewall/dns-redirect.ts";
import {
  DEFAULT_FIREWALL_OPTIONS,
  type FirewallNetwork,
  type FirewallOptions,
  type FirewallState,
  type FirewallPublication,
} from "../../../src/core/network/firewall/firewall.ts";
import { HostFirewall } from "../../../src/core/network/firewall/host-firewall.ts";
import { keepPassages } from "../../../src/core/network/firewall/passages.ts";
import { changes, firewallOf } from "../../../src/core/network/firewall/table.ts";
import type { Chain, Change, Table } from "../../../src/linux/nftables/ruleset.ts";
import { accept, jump, markWith, rule } from "../../../src/linux/nftables/statements.ts";
import { commit, listRules, reconcile } from "../../../src/linux/nftables/transaction.ts";
import { builtNative } from "../../support/native.ts";
import { NetworkLab } from "../../support/network-lab.ts";
import { NetworkNamespace } from "../../support/network-namespace.ts";
import { describeWith } from "../../support/requires.ts";

function network(bridge: string, its: Partial<FirewallNetwork> = {}): FirewallNetwork {
  return {
    bridge,
    internal: false,
    icc: true,
    masquerade: true,
    gatewayMode: { ipv4: "nat", ipv6: "nat" },
    trustedInterfaces: [],
    ...its,
  };
}

function published(
  hostIp: string,
  hostPort: number,
  containerIp: string,
  bridge: string,
): FirewallPublication {
  return { protocol: "tcp", hostIp, hostPort, containerIp, containerPort: 80, bridge };
}

const both = (mode: "nat-unprotected" | "routed"): FirewallNetwork["gatewayMode"] => ({
  ipv4: mode,
  ipv6: mode,
});

const STATE: FirewallState = {
  networks: [
    network("br-a"),
    network("br-b", { hostIpv4: "192.0.2.7", hostIpv6: "2001:db8::7" }),
    network("br-c", { internal: true }),
    network("br-d", { gatewayMode: both("routed") }),
    network("br-e", { gatewayMode: both("nat-unprotected") }),
    network("br-f", { icc: false, masquerade: false, trustedInterfaces: ["eth0"] }),
  ],
  publications: [
    published("0.0.0.0", 8080, "10.1.0.2", "br-a"),
    published("::", 8080, "fd00:1::2", "br-a"),
    published("127.0.0.1", 8081, "10.1.0.2", "br-a"),
    published("192.0.2.1", 8082, "10.1.0.2", "br-a"),
    published("2001:db8::1", 8082, "fd00:1::2", "br-a"),
    published("0.0.0.0", 8083, "10.4.0.2", "br-d"),
    published("::", 8083, "fd00:4::2", "br-d"),
    published("0.0.0.0", 8084, "10.6.0.2", "br-f"),
  ],
};

/** From whom, to where, and whom the server sees; "-": nobody answers. */
type Row = readonly [from: string, address: string, port: number, seen: string];

/** Not with br_netfilter: what is for a neighbour stays on the bridge then, where ports are isolated from each other. */
const PAST_ISOLATION: Row = ["f2", "192.0.2.1", 8084, "10.6.0.1"];

const TABLE: readonly Row[] = [
  // Published for all: from the LAN and the host's own programs, with their real addresses.
  ["lan", "192.0.2.1", 8080, "192.0.2.2"],
  ["lan", "2001:db8::1", 8080, "2001:db8::2"],
  ["host", "192.0.2.1", 8080, "192.0.2.1"],
  ["host", "127.0.0.1", 8080, "10.1.0.1"],
  ["host", "10.1.0.1", 8080, "10.1.0.1"],
  ["host", "2001:db8::1", 8080, "2001:db8::1"],
  // Published on one address.
  ["lan", "192.0.2.1", 8082, "192.0.2.2"],
  ["lan", "2001:db8::1", 8082, "2001:db8::2"],
  ["host", "127.0.0.1", 8082, "-"],
  // Published on loopback: for the host alone.
  ["host", "127.0.0.1", 8081, "10.1.0.1"],
  ["host", "192.0.2.1", 8081, "-"],
  ["lan", "192.0.2.1", 8081, "-"],
  ["a1", "10.1.0.1", 8081, "-"],
  // Containers by their own addresses: their neighbours and the host, nobody else.
  ["a1", "10.1.0.3", 80, "10.1.0.2"],
  ["host", "10.1.0.2", 80, "10.1.0.1"],
  ["lan", "10.1.0.2", 80, "-"],
  ["lan", "10.1.0.3", 80, "-"],
  ["lan", "fd00:1::2", 80, "-"],
  ["b1", "10.1.0.2", 80, "-"],
  ["a1", "10.2.0.2", 80, "-"],
  ["b1", "fd00:1::2", 80, "-"],
  // Another network's by an address of the host, and one's own.
  ["b1", "192.0.2.1", 8080, "192.0.2.7"],
  ["b1", "10.2.0.1", 8080, "192.0.2.7"],
  ["b1", "2001:db8::1", 8080, "2001:db8::7"],
  ["a2", "192.0.2.1", 8080, "10.1.0.1"],
  ["a1", "192.0.2.1", 8080, "10.1.0.1"],
  ["a1", "2001:db8::1", 8080, "fd00:1::1"],
  // Out to the world.
  ["a1", "192.0.2.2", 80, "192.0.2.1"],
  ["a1", "2001:db8::2", 80, "2001:db8::1"],
  ["b1", "192.0.2.2", 80, "192.0.2.7"],
  ["b1", "2001:db8::2", 80, "2001:db8::7"],
  ["e1", "192.0.2.2", 80, "192.0.2.1"],
  ["d1", "192.0.2.2", 80, "10.4.0.2"],
  ["d1", "2001:db8::2", 80, "fd00:4::2"],
  ["f1", "192.0.2.2", 80, "10.6.0.2"],
  // Internal: each other and the host.
  ["c1", "10.3.0.3", 80, "10.3.0.2"],
  ["host", "10.3.0.2", 80, "10.3.0.1"],
  ["c1", "10.3.0.1", 80, "10.3.0.2"],
  ["c1", "192.0.2.2", 80, "-"],
  ["c1", "2001:db8::2", 80, "-"],
  ["c1", "10.1.0.2", 80, "-"],
  ["c1", "192.0.2.1", 8080, "-"],
  ["a1", "10.3.0.2", 80, "-"],
  ["lan", "10.3.0.2", 80, "-"],
  // Routed: published ports, by the containers' own addresses.
  ["lan", "10.4.0.2", 80, "192.0.2.2"],
  ["lan", "fd00:4::2", 80, "2001:db8::2"],
  ["b1", "10.4.0.2", 80, "192.0.2.7"],
  ["lan", "10.4.0.3", 80, "-"],
  ["lan", "192.0.2.1", 8083, "-"],
  ["lan", "2001:db8::1", 8083, "-"],
  // Unprotected: everything.
  ["lan", "10.5.0.2", 80, "192.0.2.2"],
  ["lan", "fd00:5::2", 80, "2001:db8::2"],
  // icc=false, and trusted links: only what is published.
  ["f1", "10.6.0.3", 80, "-"],
  ["f2", "10.6.0.2", 80, "-"],
  PAST_ISOLATION,
  ["lan", "10.6.0.2", 80, "192.0.2.2"],
  ["lan", "10.6.0.3", 80, "-"],
];

function policyDrop(chain: Chain): Chain {
  return chain.name === "forward" && chain.base !== undefined
    ? { ...chain, base: { ...chain.base, policy: "drop" } }
    : chain;
}

/** Somebody who marks all that comes. */
function marking(bits: number): Table {
  const base = { type: "filter", hook: "prerouting", priority: -300, policy: "accept" } as const;
  const chains = [{ name: "all", base, rules: [rule(undefined, markWith(bits))] }];
  return { family: "ip", name: "marks", sets: [], chains };
}

/** What ufw or Docker leave of forwarding; with DOCKER-USER the chain jumps there. */
function dropping(forward: string, user?: string): Table {
  const base = { type: "filter", hook: "forward", priority: 0, policy: "drop" } as const;
  const users = user === undefined ? [] : [{ name: user, rules: [] }];
  const rules = user === undefined ? [] : [rule(undefined, jump(user))];
  return { family: "ip", name: "filter", sets: [], chains: [{ name: forward, base, rules }, ...users] };
}

describeWith("the firewall of container networks", ["root", "native", "busybox"], () => {
  let lab: NetworkLab;

  beforeAll(async () => {
    lab = await NetworkLab.make([
      { name: "br-a", number: 1, containers: ["a1", "a2"] },
      { name: "br-b", number: 2, containers: ["b1"] },
      { name: "br-c", number: 3, containers: ["c1", "c2"] },
      { name: "br-d", number: 4, containers: ["d1", "d2"] },
      { name: "br-e", number: 5, containers: ["e1"] },
      { name: "br-f", number: 6, containers: ["f1", "f2"], isolated: true },
    ]);
    await lab.sh(
      "host",
      "ip addr add 192.0.2.7/24 dev eth0; ip addr add 2001:db8::7/64 dev eth0 nodad preferred_lft 0",
    );
    // By way of the host, also where a bridge isolates them.
    await lab.sh("a1", "ip route add 10.1.0.3 via 10.1.0.1");
    await lab.sh("a2", "ip route add 10.1.0.2 via 10.1.0.1");
    await lab.sh("f1", "ip route add 10.6.0.3 via 10.6.0.1");
    await lab.sh("f2", "ip route add 10.6.0.2 via 10.6.0.1");
  }, 60_000);

  afterAll(() => {
    lab[Symbol.dispose]();
  });

  async function seen(rows: readonly Row[]): Promise<readonly Row[]> {
    const found: Row[] = [];
    for (let at = 0; at < rows.length; at += 8)
      found.push(
        ...(await Promise.all(
          rows
            .slice(at, at + 8)
            .map(async ([from, to, port]): Promise<Row> => [from, to, port, await lab.ask(from, to, port)]),
        )),
      );
    return found;
  }

  const host = (): number => lab.at("host").fd;

  /** Makes the host's table that of the state. */
  async function enforce(state: FirewallState, options: Partial<FirewallOptions> = {}): Promise<Table> {
    const table = firewallOf(state, { ...DEFAULT_FIREWALL_OPTIONS, ...options });
    if (table === undefined) throw new Error("no table");
    await reconcile(builtNative(), host(), table);
    return table;
  }

  test("without it everybody reaches everybody by containers' addresses", async () => {
    expect(await lab.ask("lan", "10.1.0.3", 80)).toBe("192.0.2.2");
    expect(await lab.ask("b1", "10.1.0.2", 80)).toBe("10.2.0.2");
    expect(await lab.ask("f1", "10.6.0.3", 80)).toBe("10.6.0.2");
    expect(await lab.ask("lan", "192.0.2.1", 8080)).toBe("-");
  });

  test.each([false, true])(
    "lets through what it should; bridged packets filtered: %p",
    async (isFiltered) => {
      await lab.filterBridged(isFiltered);
      await enforce(STATE);
      const expected = isFiltered ? TABLE.filter((row) => row !== PAST_ISOLATION) : TABLE;
      expect(await seen(expected)).toEqual([...expected]);
      await lab.filterBridged(false);
    },
    120_000,
  );

  test("leaves ::1 to whoever listens there", async () => {
    await enforce(STATE);
    lab.serve("host", "[::1]:8080");
    while ((await lab.ask("host", "::1", 8080)) !== "::1");
  }, 10_000);

  test("what is published and no more published are elements", async () => {
    await enforce(STATE);
    const more = published("0.0.0.0", 8090, "10.1.0.2", "br-a"); // the same place as 8080
    const after = { ...STATE, publications: [...STATE.publications, more] };
    const added = changes(STATE, after);
    expect(added.map(({ kind }) => kind)).toEqual(["add"]);
    await commit(builtNative(), host(), added);
    expect(await lab.ask("lan", "192.0.2.1", 8090)).toBe("192.0.2.2");
    await commit(builtNative(), host(), changes(after, STATE));
    expect(await lab.ask("lan", "192.0.2.1", 8090)).toBe("-");
    expect(await lab.ask("lan", "192.0.2.1", 8080)).toBe("192.0.2.2");
    const none = { ...STATE, publications: [] };
    await commit(builtNative(), host(), changes(STATE, none));
    expect(await lab.ask("lan", "192.0.2.1", 8080)).toBe("-");
    expect(await reconcile(builtNative(), host(), await enforce(none))).toEqual([]);
  });

  test("lets routed networks, and no others, be pinged from outside", async () => {
    await enforce(STATE);
    const answers = async (address: string): Promise<boolean> => {
      const ping = address.includes(":") ? "ping6" : "ping";
      return !/exit/.test(await lab.at("lan").run("busybox", ping, "-c", "1", "-W", "1", address));
    };
    expect(await Promise.all(["10.4.0.3", "fd00:4::3"].map(answers))).toEqual([true, true]);
    expect(await Promise.all(["10.1.0.2", "fd00:1::2"].map(answers))).toEqual([false, false]);
  }, 10_000);

  test("publishes UDP", async () => {
    const dns: FirewallPublication = { ...published("192.0.2.1", 53, "10.1.0.2", "br-a"), protocol: "udp" };
    const dns6 = { ...dns, hostIp: "::", containerIp: "fd00:1::2" };
    await enforce({ ...STATE, publications: [dns, dns6] });
    await lab.serveUdp("a1", "10.1.0.2", 80);
    await lab.serveUdp("a1", "fd00:1::2", 80);
    expect(await lab.askUdp("lan", "192.0.2.1", 53)).toBe("192.0.2.2");
    expect(await lab.askUdp("lan", "2001:db8::1", 53)).toBe("2001:db8::2");
    expect(await lab.askUdp("b1", "192.0.2.1", 53)).toBe("192.0.2.7");
    expect(await lab.askUdp("a2", "192.0.2.1", 53)).toBe("10.1.0.1");
    expect(await lab.ask("lan", "192.0.2.1", 53)).toBe("-");
    expect(await lab.askUdp("lan", "10.1.0.2", 80)).toBe("-");
  }, 20_000);

  test("keeps what the world sends to 127.0.0.1 away from the host's own programs", async () => {
    const native = builtNative();
    // A neighbour and a container that take 127.0.0.1 for somebody beyond the host, and a host that routes it everywhere.
    await lab.sh("host", "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet");
    for (const [name, gateway] of [
      ["lan", "192.0.2.1"],
      ["a2", "10.1.0.1"],
    ] as const)
      await lab.sh(
        name,
        `echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet
        ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via ${gateway} src $(ip -4 -o addr show eth0 | sed 's/.*inet \\([0-9.]*\\).*/\\1/')`,
      );
    const table = await enforce(STATE);
    await commit(native, host(), [{ kind: "remove", family: "inet", name: table.name }]);
    expect(await lab.ask("lan", "127.0.0.1", 80)).toBe("192.0.2.2");
    expect(await lab.ask("a2", "127.0.0.1", 80)).toBe("10.1.0.3");
    await enforce(STATE);
    for (const port of [80, 8080, 8081]) {
      expect(await lab.ask("lan", "127.0.0.1", port)).toBe("-");
      expect(await lab.ask("a2", "127.0.0.1", port)).toBe("-");
    }
    expect(await lab.ask("host", "127.0.0.1", 8081)).toBe("10.1.0.1");
    await lab.sh("host", "echo 0 >/proc/sys/net/ipv4/conf/all/route_localnet");
  }, 20_000);

  test("is put right after whatever was done to it", async () => {
    const native = builtNative();
    const table = await enforce(STATE);
    const { family, name } = table;
    const networks = table.sets.find((set) => set.name === "networks");
    const open = table.sets.find((set) => set.name === "open4");
    const anywhere = table.sets.find((set) => set.name === "anywhere4");
    if (networks === undefined || open === undefined || anywhere === undefined) throw new Error("no sets");
    const elsewhere = { key: ["tcp", "8080"], value: ["10.1.0.3", "80"] };
    const place = { family, table: name } as const;
    const [guard] = (await listRules(native, host(), family, name, "arrivals")).slice(-1);
    const deeds: readonly (readonly [readonly Change[], readonly string[]])[] = [
      [[{ kind: "remove", family, name }], ["table"]],
      [
        [{ kind: "delete rule", ...place, chain: "arrivals", handle: guard?.handle ?? 0n }],
        ['chain "arrivals"'],
      ],
      [[{ kind: "insert rule", ...place, chain: "ours", rule: rule(undefined, accept) }], ['chain "ours"']],
      [
        [{ kind: "delete", ...place, set: networks, elements: [{ key: ["br-c"] }] }],
        ['elements of "networks"'],
      ],
      [
        [{ kind: "add", ...place, set: open, elements: [{ key: ["br-a", "10.1.0.3", "tcp", "80"] }] }],
        ['elements of "open4"'],
      ],
      [
        [
          { kind: "delete", ...place, set: anywhere, elements: [elsewhere] },
          { kind: "add", ...place, set: anywhere, elements: [elsewhere] },
        ],
        ['elements of "anywhere4"'],
      ],
      [[{ kind: "replace", table: { ...table, chains: table.chains.map(policyDrop) } }], ['chain "forward"']],
    ];
    for (const [deed, wrong] of deeds) {
      await commit(native, host(), deed);
      expect(await reconcile(native, host(), table)).toEqual(wrong);
      expect(await reconcile(native, host(), table)).toEqual([]);
    }
    expect(await lab.ask("lan", "10.1.0.3", 80)).toBe("-");
    expect(await lab.ask("lan", "192.0.2.1", 8080)).toBe("192.0.2.2");
  });

  test("is put right while others change their tables all the time", async () => {
    const native = builtNative();
    const table = await enforce(STATE);
    const done = new AbortController();
    const others = (async () => {
      for (let n = 0; !done.signal.aborted; n++)
        await commit(native, host(), [
          { kind: "replace", table: { family: "ip", name: `other${n % 3}`, sets: [], chains: [] } },
        ]);
    })();
    try {
      for (let round = 0; round < 5; round++) {
        await commit(native, host(), [{ kind: "remove", family: "inet", name: table.name }]);
        expect(await reconcile(native, host(), table)).not.toEqual([]);
      }
    } finally {
      done.abort();
      await others;
    }
    expect(await reconcile(native, host(), table)).toEqual([]);
    await commit(
      native,
      host(),
      [0, 1, 2].map((n) => ({ kind: "remove", family: "ip", name: `other${n}` }) as const),
    );
  });

  test("keeps forwarding for containers alone where that is wished", async () => {
    const others = {
      networks: STATE.networks.filter(({ bridge }) => bridge !== "br-e"),
      publications: STATE.publications,
    };
    await enforce(others);
    expect(await lab.ask("lan", "10.5.0.2", 80)).toBe("192.0.2.2");
    await enforce(others, { closed: { ipv4: true, ipv6: false } });
    expect(await lab.ask("lan", "10.5.0.2", 80)).toBe("-");
    expect(await lab.ask("lan", "fd00:5::2", 80)).toBe("2001:db8::2");
    expect(await lab.ask("lan", "192.0.2.1", 8080)).toBe("192.0.2.2");
    expect(await lab.ask("a1", "192.0.2.2", 80)).toBe("192.0.2.1");
    await enforce(others, { closed: { ipv4: true, ipv6: true } });
    expect(await lab.ask("lan", "fd00:5::2", 80)).toBe("-");
    expect(await lab.ask("lan", "2001:db8::1", 8080)).toBe("2001:db8::2");
  });

  test("lets others in directly where that is wished", async () => {
    await enforce(STATE, { directRouting: true });
    expect(await lab.ask("lan", "10.1.0.2", 80)).toBe("192.0.2.2");
    expect(await lab.ask("lan", "10.1.0.3", 80)).toBe("-");
    await commit(builtNative(), host(), [{ kind: "replace", table: marking(0x11) }]);
    await enforce(STATE, { acceptMark: { value: 0x10, mask: 0xf0 } });
    expect(await lab.ask("lan", "10.1.0.3", 80)).toBe("192.0.2.2");
    expect(await lab.ask("lan", "10.3.0.2", 80)).toBe("-");
    await commit(builtNative(), host(), [{ kind: "replace", table: marking(0x21) }]);
    expect(await lab.ask("lan", "10.1.0.3", 80)).toBe("-");
    await commit(builtNative(), host(), [{ kind: "remove", family: "ip", name: "marks" }]);
  });

  test("has nothing to do with a version of IP that is not its", async () => {
    await enforce(STATE, { ipv4: false });
    expect(await lab.ask("lan", "10.1.0.3", 80)).toBe("192.0.2.2");
    expect(await lab.ask("lan", "192.0.2.1", 8080)).toBe("-");
    expect(await lab.ask("lan", "fd00:1::3", 80)).toBe("-");
    expect(await lab.ask("lan", "2001:db8::1", 8080)).toBe("2001:db8::2");
  });

  test("gets past a host that forwards nothing, by one rule there, or respects it", async () => {
    const native = builtNative();
    await enforce(STATE);
    await commit(native, host(), [{ kind: "replace", table: dropping("FORWARD") }]);
    const reached = async (): Promise<string> =>
      `${await lab.ask("lan", "192.0.2.1", 8080)} ${await lab.ask("a1", "192.0.2.2", 80)}`;
    const keep = (isWanted: boolean): Promise<readonly string[]> =>
      keepPassages(native, host(), DEFAULT_FIREWALL_OPTIONS, { isWanted, legacy: false });
    const rules = async (chain: string): Promise<number> =>
      (await listRules(native, host(), "ip", "filter", chain)).length;
    expect(await reached()).toBe("- -");
    expect(await keep(true)).toEqual([]);
    expect(await reached()).toBe("192.0.2.2 192.0.2.1");
    expect(await lab.ask("a1", "10.1.0.3", 80)).toBe("10.1.0.2");
    expect(await lab.ask("lan", "10.1.0.3", 80)).toBe("-");
    await keep(true);
    expect(await rules("FORWARD")).toBe(1);
    await keep(false);
    expect(await rules("FORWARD")).toBe(0);
    await commit(native, host(), [{ kind: "replace", table: dropping("FORWARD", "DOCKER-USER") }]);
    await keep(true);
    expect([await rules("FORWARD"), await rules("DOCKER-USER")]).toEqual([1, 1]);
    expect(await reached()).toBe("192.0.2.2 192.0.2.1");
    await keep(false);
    expect([await rules("FORWARD"), await rules("DOCKER-USER")]).toEqual([1, 0]);
    await commit(native, host(), [{ kind: "remove", family: "ip", name: "filter" }]);
  });

  test("warns of a table that drops what it does not know", async () => {
    const native = builtNative();
    const strict: Table = { ...dropping("forward"), family: "inet", name: "strict" };
    await commit(native, host(), [{ kind: "replace", table: strict }]);
    expect(
      await keepPassages(native, host(), DEFAULT_FIREWALL_OPTIONS, { isWanted: true, legacy: true }),
    ).toEqual([
      expect.stringContaining('chain "forward" of the nftables table "inet strict"'),
      expect.stringContaining("iptables-legacy"),
    ]);
    await commit(native, host(), [{ kind: "remove", family: "inet", name: "strict" }]);
  });

  test("the kernel's refusal is told, and nothing is done then", async () => {
    const native = builtNative();
    const table = await enforce(STATE);
    const bad: Change = {
      kind: "insert rule",
      family: "inet",
      table: table.name,
      chain: "none",
      rule: rule(undefined, accept),
    };
    const removal: Change = { kind: "remove", family: "inet", name: table.name };
    const refusal = await commit(native, host(), [removal, bad]).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refusal).toMatchObject({
      category: "internal",
      message: expect.stringMatching(/rule for chain "none" of table "gantry": ENOENT/),
    });
    expect(await reconcile(native, host(), table)).toEqual([]);
  });
});

describeWith("HostFirewall", ["root", "native"], () => {
  const options = { ...DEFAULT_FIREWALL_OPTIONS, opensPassages: true };

  test("applies by elements, and puts right what it meets otherwise", async () => {
    using namespace = await NetworkNamespace.make();
    const native = builtNative();
    const sent: number[] = [];
    const counting: Pick<typeof native, "netlink"> = {
      netlink(protocol, where, bytes) {
        sent.push(bytes.length);
        return native.netlink(protocol, where, bytes);
      },
    };
    const isRight = async (state: FirewallState): Promise<boolean> => {
      const table = firewallOf(state);
      return table !== undefined && (await reconcile(native, namespace.fd, table)).length === 0;
    };
    const firewall = new HostFirewall(counting, namespace.fd, options);
    await firewall.apply(STATE);
    expect(await isRight(STATE)).toBe(true);
    const less = { ...STATE, publications: STATE.publications.slice(1) };
    sent.length = 0;
    await firewall.apply(less);
    expect(sent).toEqual([expect.any(Number)]);
    expect(sent[0]).toBeLessThan(300);
    expect(await isRight(less)).toBe(true);
    await commit(native, namespace.fd, [{ kind: "remove", family: "inet", name: "gantry" }]);
    await firewall.apply(STATE);
    expect(await isRight(STATE)).toBe(true);
    await commit(native, namespace.fd, [{ kind: "remove", family: "inet", name: "gantry" }]);
    expect(await firewall.reconcile()).toMatchObject({ mended: ["table"] });
    expect(await firewall.reconcile()).toMatchObject({ mended: [] });
    expect(await isRight(STATE)).toBe(true);
  });

  test("takes over from one that was killed, in any order, and goes when it is switched off", async () => {
    using namespace = await NetworkNamespace.make();
    const native = builtNative();
    await new HostFirewall(native, namespace.fd, options).apply(STATE);
    const next = new HostFirewall(native, namespace.fd, options);
    const states = [0, 1, 2, 3, 4].map((count) => ({
      ...STATE,
      publications: STATE.publications.slice(0, count),
    }));
    await Promise.all(states.map((state) => next.apply(state)));
    expect(await next.reconcile()).toMatchObject({ mended: [] });
    await new HostFirewall(native, namespace.fd, { ...options, ipv4: false, ipv6: false }).apply(STATE);
    expect(await listRules(native, namespace.fd, "inet", "gantry")).toEqual([]);
  });
});

describeWith("the resolver's ports of a container", ["root", "native", "busybox"], () => {
  test("are asked at 127.0.0.11, port 53", async () => {
    using lab = await NetworkLab.make([{ name: "br-a", number: 1, containers: ["a1"] }]);
    lab.serve("a1", "127.0.0.11:5300");
    while ((await lab.ask("a1", "127.0.0.11", 5300)) === "-");
    await lab.serveUdp("a1", "127.0.0.11", 5301);
    expect(await lab.ask("a1", "127.0.0.11", 53)).toBe("-");
    await redirectDns(builtNative(), lab.at("a1").fd, { tcp: 5300, udp: 5301 });
    expect(await lab.ask("a1", "127.0.0.11", 53)).toBe("127.0.0.1");
    expect(await lab.askUdp("a1", "127.0.0.11", 53)).toBe("127.0.0.1");
    expect(await lab.ask("a1", "127.0.0.12", 53)).toBe("-");
    await redirectDns(builtNative(), lab.at("a1").fd, { tcp: 5309, udp: 5301 });
    expect(await lab.ask("a1", "127.0.0.11", 53)).toBe("-");
    expect(await lab.ask("a1", "127.0.0.11", 5300)).toBe("127.0.0.1");
  }, 60_000);
});

describeWith("the table of container networks", ["root", "native", "nft"], () => {
  test("is what nft shows", async () => {
    using namespace = await NetworkNamespace.make();
    const table = firewallOf(STATE, { ...DEFAULT_FIREWALL_OPTIONS, closed: { ipv4: true, ipv6: false } });
    if (table === undefined) throw new Error("no table");
    await reconcile(builtNative(), namespace.fd, table);
    const shown = (await namespace.run("nft", "list", "ruleset")).replaceAll(/\s+/g, " ");
    for (const part of [
      "table inet gantry {",
      'set networks { type ifname elements = { "br-a", "br-b", "br-c", "br-d", "br-e", "br-f" } }',
      'map source4 { type ifname : ipv4_addr elements = { "br-b" : 192.0.2.7 } }',
      "elements = { tcp . 192.0.2.1 . 8082 : 10.1.0.2 . 80, tcp . 127.0.0.1 . 8081 : 10.1.0.2 . 80 } }",
      'ip daddr 127.0.0.0/8 iifname != "lo" drop',
      "chain forward { type filter hook forward priority filter - 1; policy accept; iifname @networks goto ours",
      'meta nfproto ipv4 drop comment "forwarding is for containers"',
      "dnat ip to meta l4proto . ip daddr . th dport map @published4",
      "meta nfproto ipv6 fib daddr type local dnat ip6 to meta l4proto . th dport map @anywhere6",
      'iifname . oifname @within ct status dnat masquerade comment "published, to a neighbour"',
      "meta nfproto ipv4 snat ip to iifname map @source4",
      "iifname . meta nfproto @outgoing masquerade",
      "ct state established,related goto accepted",
      "oifname . ip6 daddr . meta l4proto . th dport @open6 goto accepted",
      "chain accepted { meta mark set meta mark | 0x01000000 accept }",
    ])
      expect(sortedElements(shown)).toContain(sortedElements(part));
    // And a flush of everything is a deviation like any other.
    await namespace.run("nft", "flush", "ruleset");
    expect(await reconcile(builtNative(), namespace.fd, table)).toEqual(["table"]);
    await namespace.run("nft", "add", "table", "inet", "gantry", "{ flags dormant; }");
    expect(await reconcile(builtNative(), namespace.fd, table)).toEqual(["table"]);
    await namespace.run("nft", "add", "chain", "inet", "gantry", "more");
    expect(await reconcile(builtNative(), namespace.fd, table)).toEqual(['chain "more"']);
    await namespace.run("nft", "insert", "rule", "inet", "gantry", "ours", "limit rate 1/second accept");
    expect(await reconcile(builtNative(), namespace.fd, table)).toEqual(['chain "ours"']);
    expect(await reconcile(builtNative(), namespace.fd, table)).toEqual([]);
  });
});

/** Hash tables are listed in no order. */
function sortedElements(text: string): string {
  return text.replaceAll(/elements = \{ ([^}]*) \}/g, (_, list: string) =>
    list.split(", ").toSorted().join(", "),
  );
}

describeWith("the passage in iptables' filters", ["root", "native", "iptables-nft"], () => {
  test("is a rule that iptables shows, saves and restores", async () => {
    using namespace = await NetworkNamespace.make();
    const keep = (): Promise<readonly string[]> =>
      keepPassages(builtNative(), namespace.fd, DEFAULT_FIREWALL_OPTIONS, { isWanted: true, legacy: false });
    await namespace.run("iptables-nft", "-P", "FORWARD", "DROP");
    await namespace.run("iptables-nft", "-A", "FORWARD", "-i", "eth0", "-j", "ACCEPT");
    await keep();
    const rules = `-P FORWARD DROP
-A FORWARD -m mark --mark 0x1000000/0x1000000 -m comment --comment "accepted by gantry" -j ACCEPT
-A FORWARD -i eth0 -j ACCEPT
`;
    expect(await namespace.run("iptables-nft", "-S", "FORWARD")).toBe(rules);
    await namespace.run(
      "sh",
      "-c",
      "iptables-nft-save >/dev/shm/$$ && iptables-nft-restore </dev/shm/$$; rm /dev/shm/$$",
    );
    await keep();
    expect(await namespace.run("iptables-nft", "-S", "FORWARD")).toBe(rules);
    await namespace.run("iptables-nft", "-F", "FORWARD");
    await keep();
    expect(await namespace.run("iptables-nft", "-S", "FORWARD")).toContain("accepted by gantry");
  });
});
