/**
 * Steps of rules as the kernel wants and tells them (linux/netfilter/nf_tables.h):
 *
 *     expression   1 name, 2 nested: what belongs to it, big-endian
 *     data         1 bytes  or  2 nested verdict: 1 code, 2 chain
 *
 * Written and read again a step is the same, so rules can be compared by what they are written as.
 */
import { type Attribute, type Attributes, attribute, read, readAttributes } from "../netlink/message.ts";
import type { CtKey, Expression, MetaKey, Verdict } from "./ruleset.ts";

const META: Readonly<Record<MetaKey, number>> = { mark: 3, iifname: 6, oifname: 7, nfproto: 15, l4proto: 16 };
const CT: Readonly<Record<CtKey, number>> = { state: 0, direction: 1, status: 2 };
const BASE = { network: 1, transport: 2 } as const;
const COMPARE = { equal: 0, different: 1 } as const;
const NAT = { source: 0, destination: 1 } as const;
const NAT_FAMILY = { ip: 2, ip6: 10 } as const;
const ADDRESS_TYPE = 3;
const OF = { source: 1, destination: 2 } as const;
const VERDICTS = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const;
/** NF_NAT_RANGE_PROTO_SPECIFIED, NF_NAT_RANGE_MAP_IPS: the kernel adds them by itself. */
const PORT_GIVEN = 2;
const ADDRESS_GIVEN = 1;

/** Words as registers: 1-4 are four words each, 8-23 one. The kernel tells of whole ones by the first kind of number. */
const registerOf = (word: number): number => (word % 4 === 0 ? 1 + word / 4 : 8 + word);
const wordOf = (register: number): number => (register < 8 ? 4 * (register - 1) : register - 8);

const register = (type: number, word: number): Attribute => attribute.be32(type, registerOf(word));
const maybeRegister = (type: number, word: number | undefined): Attribute | undefined =>
  word === undefined ? undefined : register(type, word);
const data = (type: number, value: Uint8Array): Attribute =>
  attribute.nested(type, [attribute.bytes(1, value)]);

export function verdictData(type: number, verdict: Verdict): Attribute {
  const chain =
    verdict.kind === "jump" || verdict.kind === "goto" ? attribute.string(2, verdict.chain) : undefined;
  return attribute.nested(type, [
    attribute.nested(2, [attribute.be32(1, VERDICTS[verdict.kind] >>> 0), chain]),
  ]);
}

/** Its name and what belongs to it. */
function parts(step: Exclude<Expression, { kind: "unknown" }>): readonly [name: string, Attributes] {
  switch (step.kind) {
    case "meta":
      return ["meta", [attribute.be32(2, META[step.key]), register(1, step.to)]];
    case "set meta":
      return ["meta", [attribute.be32(2, META[step.key]), register(3, step.from)]];
    case "payload":
      return [
        "payload",
        [
          register(1, step.to),
          attribute.be32(2, BASE[step.base]),
          attribute.be32(3, step.offset),
          attribute.be32(4, step.bytes),
        ],
      ];
    case "ct":
      return ["ct", [attribute.be32(2, CT[step.key]), register(1, step.to)]];
    case "address type":
      return ["fib", [register(1, step.to), attribute.be32(2, ADDRESS_TYPE), attribute.be32(3, OF[step.of])]];
    case "compare":
      return ["cmp", [register(1, step.from), attribute.be32(2, COMPARE[step.is]), data(3, step.value)]];
    case "bits":
      return [
        "bitwise",
        [
          register(1, step.from),
          register(2, step.to),
          attribute.be32(3, step.mask.length),
          attribute.be32(6, 0),
          data(4, step.mask),
          data(5, step.flip),
        ],
      ];
    case "lookup":
      return [
        "lookup",
        [
          attribute.string(1, step.set),
          register(2, step.from),
          step.into === "verdict" ? attribute.be32(3, 0) : maybeRegister(3, step.into),
          step.absent === true ? attribute.be32(5, 1) : undefined,
        ],
      ];
    case "value":
      return ["immediate", [register(1, step.to), data(2, step.value)]];
    case "verdict":
      return ["immediate", [attribute.be32(1, 0), verdictData(2, step.verdict)]];
    case "nat":
      return [
        "nat",
        [
          attribute.be32(1, NAT[step.type]),
          attribute.be32(2, NAT_FAMILY[step.family]),
          maybeRegister(3, step.address),
          maybeRegister(5, step.port),
          attribute.be32(
            7,
            (step.address === undefined ? 0 : ADDRESS_GIVEN) | (step.port === undefined ? 0 : PORT_GIVEN),
          ),
        ],
      ];
    case "masquerade":
      return ["masq", []];
    case "redirect":
      return ["redir", [register(1, step.port), attribute.be32(3, PORT_GIVEN)]];
    case "counter":
      return ["counter", []];
  }
}

/** As an element of a list of them. */
export function expressionAttribute(step: Expression): Attribute {
  if (step.kind === "unknown") throw new TypeError(`a step "${step.name}" is read only`);
  const [name, attributes] = parts(step);
  return attribute.nested(1, [attribute.string(1, name), attribute.nested(2, attributes)]);
}

function nameIn<T extends string>(numbers: Readonly<Record<T, number>>, number: number): T | undefined {
  for (const name in numbers) if (numbers[name] === number) return name;
  return undefined;
}

/** Attributes of one step, by type. */
class Parts {
  readonly #attributes: ReadonlyMap<number, Uint8Array>;

  constructor(attributes: ReadonlyMap<number, Uint8Array>) {
    this.#attributes = attributes;
  }

  has(type: number): boolean {
    return this.#attributes.has(type);
  }
  bytes(type: number): Uint8Array {
    return this.#attributes.get(type) ?? new Uint8Array();
  }
  number(type: number): number {
    const value = this.#attributes.get(type);
    return value === undefined ? 0 : read.be32(value);
  }
  text(type: number): string {
    return read.string(this.bytes(type));
  }
  word(type: number): number {
    return wordOf(this.number(type));
  }
  maybeWord(type: number): number | undefined {
    return this.number(type) === 0 ? undefined : this.word(type);
  }
  /** A copy. */
  data(type: number): Uint8Array {
    return new Uint8Array(readAttributes(this.bytes(type)).get(1) ?? []);
  }
}

export function readVerdict(bytesOfData: Uint8Array): Verdict | undefined {
  const nestedVerdict = readAttributes(bytesOfData).get(2);
  if (nestedVerdict === undefined) return undefined;
  const verdict = new Parts(readAttributes(nestedVerdict));
  const kind = nameIn(VERDICTS, verdict.number(1) | 0);
  if (kind === "jump" || kind === "goto") return { kind, chain: verdict.text(2) };
  return kind === undefined ? undefined : { kind };
}

function readMeta(from: Parts): Expression | undefined {
  const key = nameIn(META, from.number(2));
  if (key === undefined) return undefined;
  return from.has(3)
    ? { kind: "set meta", key, from: from.word(3) }
    : { kind: "meta", key, to: from.word(1) };
}

function readPayload(from: Parts): Expression | undefined {
  const base = nameIn(BASE, from.number(2));
  if (base === undefined || !from.has(1)) return undefined;
  return { kind: "payload", base, offset: from.number(3), bytes: from.number(4), to: from.word(1) };
}

function readCt(from: Parts): Expression | undefined {
  const key = nameIn(CT, from.number(2));
  return key === undefined || from.has(3) || from.has(4) ? undefined : { kind: "ct", key, to: from.word(1) };
}

function readFib(from: Parts): Expression | undefined {
  const of = nameIn(OF, from.number(3));
  return of === undefined || from.number(2) !== ADDRESS_TYPE
    ? undefined
    : { kind: "address type", of, to: from.word(1) };
}

function readCompare(from: Parts): Expression | undefined {
  const comparison = nameIn(COMPARE, from.number(2));
  return comparison === undefined
    ? undefined
    : { kind: "compare", is: comparison, from: from.word(1), value: from.data(3) };
}

function readBits(from: Parts): Expression | undefined {
  if (from.number(6) !== 0) return undefined;
  return { kind: "bits", from: from.word(1), to: from.word(2), mask: from.data(4), flip: from.data(5) };
}

function readLookup(from: Parts): Expression {
  const into = !from.has(3) ? undefined : from.number(3) === 0 ? "verdict" : from.word(3);
  return {
    kind: "lookup",
    set: from.text(1),
    from: from.word(2),
    into,
    absent: from.number(5) === 1 ? true : undefined,
  };
}

function readImmediate(from: Parts): Expression | undefined {
  if (from.number(1) !== 0) return { kind: "value", value: from.data(2), to: from.word(1) };
  const verdict = readVerdict(from.bytes(2));
  return verdict === undefined ? undefined : { kind: "verdict", verdict };
}

function readNat(from: Parts): Expression | undefined {
  const [type, family] = [nameIn(NAT, from.number(1)), nameIn(NAT_FAMILY, from.number(2))];
  const [address, port] = [from.maybeWord(3), from.maybeWord(5)];
  const isRange =
    (from.has(4) && from.number(4) !== from.number(3)) || (from.has(6) && from.number(6) !== from.number(5));
  const flags = (address === undefined ? 0 : ADDRESS_GIVEN) | (port === undefined ? 0 : PORT_GIVEN);
  if (type === undefined || family === undefined || isRange || (from.number(7) | flags) !== flags)
    return undefined;
  return { kind: "nat", type, family, address, port };
}

function readRedirect(from: Parts): Expression | undefined {
  const isRange = from.has(2) && from.number(2) !== from.number(1);
  return from.has(1) && !isRange && (from.number(3) | PORT_GIVEN) === PORT_GIVEN
    ? { kind: "redirect", port: from.word(1) }
    : undefined;
}

const READERS: Readonly<Record<string, (from: Parts) => Expression | undefined>> = {
  meta: readMeta,
  payload: readPayload,
  ct: readCt,
  fib: readFib,
  cmp: readCompare,
  bitwise: readBits,
  lookup: readLookup,
  immediate: readImmediate,
  nat: readNat,
  masq: (from) => (from.number(1) === 0 && !from.has(2) && !from.has(3) ? { kind: "masquerade" } : undefined),
  redir: readRedirect,
  counter: () => ({ kind: "counter" }),
};

/** iptables-restore writes comments as a step, an extension of the older kernel interface's; undefined for any other step. */
export function readCommentStep(element: Uint8Array): string | undefined {
  const attributes = readAttributes(element);
  if (read.string(attributes.get(1) ?? new Uint8Array()) !== "match") return undefined;
  const [name, , text] = [1, 2, 3].map((type) =>
    read.string(readAttributes(attributes.get(2) ?? new Uint8Array()).get(type) ?? new Uint8Array()),
  );
  return name === "comment" ? text : undefined;
}

/** One element of a list of expressions. */
export function readExpression(element: Uint8Array): Expression {
  const attributes = readAttributes(element);
  const name = read.string(attributes.get(1) ?? new Uint8Array());
  const from = new Parts(readAttributes(attributes.get(2) ?? new Uint8Array()));
  const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
  return reader?.(from) ?? { kind: "unknown", name };
}
