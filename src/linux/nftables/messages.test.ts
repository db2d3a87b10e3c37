import { endianness } from "node:os";
import { describe, expect, test } from "bun:test";
import { eachAttribute } from "../netlink/message.ts";
import { expressionAttribute, readExpression } from "./expression-codec.ts";
import { ifnameBytes, portBytes } from "./field-types.ts";
import { transactionSteps } from "./messages.ts";
import type { Change, Expression, NamedSet, Table } from "./ruleset.ts";
import {
  accept,
  back,
  begins,
  byMap,
  counter,
  ctDirection,
  ctStatus,
  destination4,
  destinationFrom,
  destinationIsLocal,
  destinationPort,
  drop,
  goto,
  has,
  iifname,
  inSet,
  is,
  isAnswer,
  isNot,
  jump,
  l4proto,
  mark,
  markWith,
  masquerade,
  matches,
  nfproto,
  oifname,
  protocolIs,
  redirectTo,
  rule,
  source6,
  sourceFrom,
  translate,
} from "./statements.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const groups = (...parts: readonly string[]): string => parts.join("").replaceAll(" ", "");

function messagesOf(...changes: readonly Change[]): readonly string[] {
  return transactionSteps(changes).map(({ message }) => hex(message.bytes));
}

const PORTS: NamedSet = {
  name: "ports",
  key: ["inet_proto", "inet_service"],
  value: ["ipv4_addr", "inet_service"],
  elements: [{ key: ["tcp", "80"], value: ["10.0.0.1", "8080"] }],
};
const LINKS: NamedSet = {
  name: "l",
  key: ["ifname"],
  value: "verdict",
  elements: [{ key: ["lo"], value: { kind: "goto", chain: "raw" } }],
};
const TABLE: Table = {
  family: "inet",
  name: "t",
  comment: "c",
  sets: [PORTS, LINKS],
  chains: [
    {
      name: "raw",
      base: { type: "filter", hook: "prerouting", priority: -300, policy: "accept" },
      rules: [rule("no", isNot(iifname, ifnameBytes("lo")), drop)],
    },
  ],
};

/** Attribute 1 of all messages: the table. */
const T = "0600 0100 7400 0000";
const INET = "01 00 0000";
const LO = "6c6f 0000 00000000 00000000 00000000";

/** Numbers are those of linux/netfilter/nf_tables.h and nfnetlink.h, lengths are counted. */
describe.skipIf(endianness() === "BE")("transactions as bytes", () => {
  const messages = messagesOf({ kind: "replace", table: TABLE });

  test("begin and end with a message of the subsystem 10, and the generation", () => {
    expect(messages.at(0)).toBe(groups("14000000 1000 0100 00000000 00000000", "00 00 000a"));
    expect(messages.at(-1)).toBe(groups("14000000 1100 0100 00000000 00000000", "00 00 000a"));
    const [begin] = transactionSteps([{ kind: "remove", family: "ip", name: "t" }], 9);
    expect(hex(begin?.message.bytes ?? new Uint8Array()).slice(40)).toBe(groups("0800 0100 00000009"));
    expect(transactionSteps([])).toEqual([]);
  });

  test("a table takes the place of the one that is there", () => {
    expect(messages.slice(1, 4)).toEqual([
      groups("1c000000 000a 0104 00000000 00000000", INET, T), // NEWTABLE, create
      groups("1c000000 020a 0100 00000000 00000000", INET, T), // DELTABLE
      groups("24000000 000a 0106 00000000 00000000", INET, T, "0800 0600 00 02 6300"), // user data: comment
    ]);
  });

  test("sets, with the types of their fields", () => {
    expect(messages.slice(4, 6)).toEqual([
      groups(
        "78000000 090a 0104 00000000 00000000",
        INET,
        T,
        "0a00 0200 706f72747300 0000", // NAME
        "0800 0300 00000088", // FLAGS: map, concatenation
        "0800 0400 0000030d 0800 0500 00000008", // KEY_TYPE: 12 << 6 | 13, KEY_LEN
        "0800 0600 000001cd 0800 0700 00000008", // DATA_TYPE: 7 << 6 | 13, DATA_LEN
        "2000 0980 1c00 0280", // DESC, of the CONCAT
        "0c00 0180 0800 0100 00000001 0c00 0180 0800 0100 00000002", // lengths of fields
        "0800 0a00 00000001", // ID
      ),
      groups(
        "60000000 090a 0104 00000000 00000000",
        INET,
        T,
        "0600 0200 6c00 0000 0800 0300 00000008",
        "0800 0400 00000029 0800 0500 00000010",
        "0800 0600 ffffff00 0800 0700 00000010", // of verdicts
        "0800 0a00 00000002",
        "0a00 0d00 00 04 01000000 0000", // USERDATA: the key is not big-endian
      ),
    ]);
  });

  test("a chain where packets come by", () => {
    expect(messages[6]).toBe(
      groups(
        "4c000000 030a 0104 00000000 00000000",
        INET,
        T,
        "0800 0300 72617700", // NAME
        "1400 0480 0800 0100 00000000 0800 0200 fffffed4", // HOOK: number, priority -300
        "0800 0500 00000001", // POLICY: accept
        "0b00 0700 66696c746572 00 00", // TYPE
      ),
    );
  });

  test("elements, with values and verdicts; only keys go", () => {
    expect(messages.slice(7, 9)).toEqual([
      groups(
        "50000000 0c0a 0104 00000000 00000000",
        INET,
        T,
        "0a00 0200 706f72747300 0000",
        "2800 0380 2400 0180",
        "1000 0180 0c00 0100 06000000 00500000",
        "1000 0280 0c00 0100 0a000001 1f900000",
      ),
      groups(
        "5c000000 0c0a 0104 00000000 00000000",
        INET,
        T,
        "0600 0200 6c00 0000",
        "3800 0380 3400 0180",
        "1800 0180 1400 0100",
        LO,
        "1800 0280 1400 0280 0800 0100 fffffffc 0800 0200 72617700", // NFT_GOTO
      ),
    ]);
    const place = { family: "inet", table: "t", set: PORTS, elements: PORTS.elements } as const;
    expect(messagesOf({ kind: "delete", ...place })[1]).toBe(
      groups(
        "40000000 0e0a 0500 00000000 00000000",
        INET,
        T,
        "0a00 0200 706f72747300 0000",
        "1800 0380 1400 0180 1000 0180 0c00 0100 06000000 00500000",
      ),
    );
  });

  test("a rule, acknowledged as the last one", () => {
    expect(messages[9]).toBe(
      groups(
        "c0000000 060a 050c 00000000 00000000",
        INET,
        T,
        "0800 0200 72617700",
        "9000 0480",
        "2400 0180 0900 0100 6d65746100 000000", // meta
        "1400 0280 0800 0200 00000006 0800 0100 00000001", // iifname to register 1
        "3800 0180 0800 0100 636d7000", // cmp
        "2c00 0280 0800 0100 00000001 0800 0200 00000001",
        "1800 0380 1400 0100",
        LO,
        "3000 0180 0e00 0100 696d6d65646961746500 0000", // immediate
        "1c00 0280 0800 0100 00000000 1000 0280 0c00 0280 0800 0100 00000000", // verdict: drop
        "0900 0700 00 03 6e6f00 000000", // USERDATA: comment
      ),
    );
  });

  test("a rule of somebody's is put at the head of his chain, and found by its handle", () => {
    const chain = { family: "ip", table: "filter", chain: "FORWARD" } as const;
    const [, insertion = ""] = messagesOf({ kind: "insert rule", ...chain, rule: rule(undefined, accept) });
    expect(insertion.slice(8, 16)).toBe(groups("060a 0504")); // create, ack, and not append
    const [, deletion = ""] = messagesOf({ kind: "delete rule", ...chain, handle: 7n });
    expect(deletion.slice(8, 16)).toBe(groups("080a 0500"));
    expect(deletion.endsWith(groups("0c00 0300 0000000000000007"))).toBe(true);
  });

  test("many elements are several messages", () => {
    const elements = Array.from({ length: 1000 }, (_, n) => ({
      key: ["udp", `${n}`],
      value: ["10.0.0.1", "1"],
    }));
    const steps = transactionSteps([{ kind: "add", family: "inet", table: "t", set: PORTS, elements }]);
    expect(steps.map(({ what }) => what).filter((what) => what.includes("ports"))).toHaveLength(3);
  });
});

test.each<[string, readonly string[]]>([
  ["a link's name of 16 bytes", ["0123456789abcdef", "80"]],
  ["an empty one", ["", "80"]],
  ["a port above 65535", ["lo", "65536"]],
  ["no number", ["lo", "8o"]],
  ["too few fields", ["lo"]],
])("a key with %s is refused", (_, key) => {
  const set: NamedSet = { name: "s", key: ["ifname", "inet_service"], elements: [{ key }] };
  expect(() => transactionSteps([{ kind: "replace", table: { ...TABLE, sets: [set] } }])).toThrow();
});

test.each<[string, readonly string[]]>([
  ["IPv6 for IPv4", ["::1", "fd00::1"]],
  ["IPv4 for IPv6", ["10.0.0.1", "10.0.0.1"]],
])("a key with %s is refused", (_, key) => {
  const set: NamedSet = { name: "s", key: ["ipv4_addr", "ipv6_addr"], elements: [{ key }] };
  expect(() => transactionSteps([{ kind: "replace", table: { ...TABLE, sets: [set] } }])).toThrow(
    /is no IPv/,
  );
});

/** Every kind of step. */
const STEPS: readonly Expression[] = [
  is(nfproto, Uint8Array.of(2)),
  is(source6, new Uint8Array(16)),
  begins(destination4, Uint8Array.of(127)),
  has(ctStatus, 32),
  matches(mark, 0x0100_0000, 0x0100_0000),
  isAnswer,
  is(ctDirection, Uint8Array.of(1)),
  destinationIsLocal,
  protocolIs("sctp"),
  inSet([oifname, destination4, l4proto, destinationPort], "open4"),
  byMap([iifname, oifname], "within"),
  destinationFrom("ip6", [l4proto, destinationPort], "anywhere6"),
  sourceFrom("ip", [iifname], "source4"),
  translate("destination", "ip", portBytes("53"), Uint8Array.of(127, 0, 0, 11)),
  translate("source", "ip6", portBytes("53")),
  redirectTo(portBytes("5353")),
  markWith(0x0100_0000),
  masquerade,
  counter,
  accept,
  drop,
  back,
  jump("a"),
  goto("b"),
].flat();

test("steps are read as they were written", () => {
  for (const step of STEPS) {
    const [[, element] = []] = [...eachAttribute(expressionAttribute(step))];
    expect(JSON.parse(JSON.stringify(readExpression(element ?? new Uint8Array())))).toEqual(
      JSON.parse(JSON.stringify(step)),
    );
  }
});
