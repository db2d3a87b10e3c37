/**
 * The words that rules are written in. Each makes the steps for it, with registers of its own; `rule` puts them one behind the
 * other:
 *
 *     rule("not for neighbours", isNot(iifname, ifnameBytes("lo")), is(destination4, LOOPBACK), drop)
 */
import { IPPROTO, NFPROTO, padded, wordBytes } from "./field-types.ts";
import type { Expression, Rule, Verdict } from "./ruleset.ts";

/** Something that a rule can look at: how it gets into a register, and how many bytes it has there. */
export interface Field {
  readonly bytes: number;
  load(to: number): Expression;
}

function meta(key: Extract<Expression, { kind: "meta" }>["key"], bytes: number): Field {
  return { bytes, load: (to) => ({ kind: "meta", key, to }) };
}

function payload(base: "network" | "transport", offset: number, bytes: number): Field {
  return { bytes, load: (to) => ({ kind: "payload", base, offset, bytes, to }) };
}

export const iifname = meta("iifname", 16);
export const oifname = meta("oifname", 16);
export const nfproto = meta("nfproto", 1);
export const l4proto = meta("l4proto", 1);
export const mark = meta("mark", 4);
/** Only behind `isIpv4`; where the table is "inet". */
export const source4 = payload("network", 12, 4);
export const destination4 = payload("network", 16, 4);
/** Only behind `isIpv6`. */
export const source6 = payload("network", 8, 16);
export const destination6 = payload("network", 24, 16);
/** TCP, UDP and SCTP have their ports at the same places. */
export const sourcePort = payload("transport", 0, 2);
export const destinationPort = payload("transport", 2, 2);
export const ctState: Field = { bytes: 4, load: (to) => ({ kind: "ct", key: "state", to }) };
export const ctStatus: Field = { bytes: 4, load: (to) => ({ kind: "ct", key: "status", to }) };
export const ctDirection: Field = { bytes: 1, load: (to) => ({ kind: "ct", key: "direction", to }) };
const addressType = (of: "source" | "destination"): Field => ({
  bytes: 4,
  load: (to) => ({ kind: "address type", of, to }),
});

export function rule(comment: string | undefined, ...statements: readonly (readonly Expression[])[]): Rule {
  return { comment, expressions: statements.flat() };
}

export function is(field: Field, value: Uint8Array): readonly Expression[] {
  return [field.load(0), { kind: "compare", is: "equal", from: 0, value }];
}

export function isNot(field: Field, value: Uint8Array): readonly Expression[] {
  return [field.load(0), { kind: "compare", is: "different", from: 0, value }];
}

/** The field begins with these bytes. Of payload only, which is then read no further. */
export function begins(field: Field, value: Uint8Array): readonly Expression[] {
  const load = field.load(0);
  if (load.kind !== "payload") return is(field, value);
  return [
    { ...load, bytes: value.length },
    { kind: "compare", is: "equal", from: 0, value },
  ];
}

/** At least one of the bits is set. */
export function has(field: Field, bits: number): readonly Expression[] {
  const none = wordBytes(0);
  return [
    field.load(0),
    { kind: "bits", from: 0, to: 0, mask: wordBytes(bits), flip: none },
    { kind: "compare", is: "different", from: 0, value: none },
  ];
}

/** Under the mask it is the value. */
export function matches(field: Field, value: number, mask: number): readonly Expression[] {
  return [
    field.load(0),
    { kind: "bits", from: 0, to: 0, mask: wordBytes(mask), flip: wordBytes(0) },
    { kind: "compare", is: "equal", from: 0, value: wordBytes(value) },
  ];
}

function loads(fields: readonly Field[]): Expression[] {
  let word = 0;
  return fields.map((field) => {
    const expression = field.load(word);
    word += padded(field.bytes) / 4;
    return expression;
  });
}

export function inSet(fields: readonly Field[], set: string): readonly Expression[] {
  return [...loads(fields), { kind: "lookup", set, from: 0 }];
}

/** Follows the verdict in the map, if there is one. */
export function byMap(fields: readonly Field[], map: string): readonly Expression[] {
  return [...loads(fields), { kind: "lookup", set: map, from: 0, into: "verdict" }];
}

/** To the address and port in the map. */
export function destinationFrom(
  family: "ip" | "ip6",
  fields: readonly Field[],
  map: string,
): readonly Expression[] {
  return [
    ...loads(fields),
    { kind: "lookup", set: map, from: 0, into: 0 },
    { kind: "nat", type: "destination", family, address: 0, port: family === "ip" ? 1 : 4 },
  ];
}

/** From the address in the map. */
export function sourceFrom(
  family: "ip" | "ip6",
  fields: readonly Field[],
  map: string,
): readonly Expression[] {
  return [
    ...loads(fields),
    { kind: "lookup", set: map, from: 0, into: 0 },
    { kind: "nat", type: "source", family, address: 0 },
  ];
}

/** To an address and port, or only to a port. */
export function translate(
  type: "source" | "destination",
  family: "ip" | "ip6",
  port: Uint8Array,
  address?: Uint8Array,
): readonly Expression[] {
  const portStep: Expression = { kind: "value", value: port, to: 4 };
  if (address === undefined) return [portStep, { kind: "nat", type, family, port: 4 }];
  return [
    { kind: "value", value: address, to: 0 },
    portStep,
    { kind: "nat", type, family, address: 0, port: 4 },
  ];
}

/** To a port of this host. */
export function redirectTo(port: Uint8Array): readonly Expression[] {
  return [
    { kind: "value", value: port, to: 0 },
    { kind: "redirect", port: 0 },
  ];
}

export const isIpv4 = is(nfproto, Uint8Array.of(NFPROTO.ipv4));
export const isIpv6 = is(nfproto, Uint8Array.of(NFPROTO.ipv6));
export const protocolIs = (name: keyof typeof IPPROTO): readonly Expression[] =>
  is(l4proto, Uint8Array.of(IPPROTO[name]));

const RTN_LOCAL = 2;
/** Not an address of this host. */
export const sourceIsForeign = isNot(addressType("source"), wordBytes(RTN_LOCAL));
export const destinationIsLocal = is(addressType("destination"), wordBytes(RTN_LOCAL));

/** ESTABLISHED and RELATED; the bits are 1 << state (nf_conntrack_common.h), invalid is 1. */
export const isAnswer = has(ctState, 2 | 4);
const IPS_DST_NAT = 1 << 5;
export const isTranslated = has(ctStatus, IPS_DST_NAT);

export function markWith(bits: number): readonly Expression[] {
  return [
    mark.load(0),
    { kind: "bits", from: 0, to: 0, mask: wordBytes(~bits >>> 0), flip: wordBytes(bits) },
    { kind: "set meta", key: "mark", from: 0 },
  ];
}

export const masquerade: readonly Expression[] = [{ kind: "masquerade" }];
export const counter: readonly Expression[] = [{ kind: "counter" }];

const verdict = (of: Verdict): readonly Expression[] => [{ kind: "verdict", verdict: of }];
export const accept = verdict({ kind: "accept" });
export const drop = verdict({ kind: "drop" });
export const back = verdict({ kind: "return" });
export const jump = (chain: string): readonly Expression[] => verdict({ kind: "jump", chain });
export const goto = (chain: string): readonly Expression[] => verdict({ kind: "goto", chain });
