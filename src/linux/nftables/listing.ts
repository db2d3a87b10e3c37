/** What the kernel has: answers to listings, read. Of sets and elements nothing is interpreted; they are there to be compared. */
import { type Answer, eachAttribute, read, readAttributes } from "../netlink/message.ts";
import { readCommentStep, readExpression } from "./expression-codec.ts";
import { FAMILIES, HOOKS } from "./messages.ts";
import type { BaseChain, Family, Rule } from "./ruleset.ts";

/** Behind nfgenmsg. */
const ATTRIBUTES_AT = 4;
const EMPTY = new Uint8Array();

export interface ListedRule extends Rule {
  readonly chain: string;
  readonly handle: bigint;
}

export interface ListedChain {
  /** Undefined: one that tables here cannot have ("bridge", "netdev", "arp"). */
  readonly family: Family | undefined;
  readonly table: string;
  readonly name: string;
  /** Of those where packets come by: as in tables that are made here, but with any number. */
  readonly base?:
    | { readonly type: string; readonly hook: number; readonly priority: number; readonly policy: number }
    | undefined;
}

export interface ListedSet {
  readonly name: string;
  readonly flags: number;
  readonly keyType: number;
  readonly keyBytes: number;
  readonly valueType: number;
  readonly valueBytes: number;
}

export interface ListedElement {
  /** Hexadecimal, as is the value: bytes, or the attributes of a verdict. */
  readonly key: string;
  readonly value: string;
  /** It has something that elements made here never have: an end, a timeout, a flag. */
  readonly isStrange: boolean;
}

const BY_NUMBER: ReadonlyMap<number, Family> = new Map([
  [FAMILIES.inet, "inet"],
  [FAMILIES.ip, "ip"],
  [FAMILIES.ip6, "ip6"],
]);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const attributesOf = (answer: Answer): ReadonlyMap<number, Uint8Array> =>
  readAttributes(answer.payload, ATTRIBUTES_AT);
const textOf = (value: Uint8Array | undefined): string => read.string(value ?? EMPTY);
const numberOf = (value: Uint8Array | undefined): number => (value === undefined ? 0 : read.be32(value));

/** The comment in user data (type 0). */
function commentIn(data: Uint8Array | undefined): string | undefined {
  if (data === undefined) return undefined;
  for (let at = 0; at + 2 <= data.length; ) {
    const [type = 0, length = 0] = data.subarray(at, at + 2);
    if (type === 0) return read.string(data.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return undefined;
}

export function readTable(answer: Answer): { readonly flags: number; readonly comment: string | undefined } {
  const attributes = attributesOf(answer);
  return { flags: numberOf(attributes.get(2)), comment: commentIn(attributes.get(6)) };
}

export function readChain(answer: Answer): ListedChain {
  const attributes = attributesOf(answer);
  const hook = attributes.get(4);
  const place = hook === undefined ? undefined : readAttributes(hook);
  return {
    family: BY_NUMBER.get(read.u8(answer.payload)),
    table: textOf(attributes.get(1)),
    name: textOf(attributes.get(3)),
    base:
      place === undefined
        ? undefined
        : {
            type: textOf(attributes.get(7)),
            hook: numberOf(place.get(1)),
            priority: numberOf(place.get(2)) | 0,
            policy: numberOf(attributes.get(5)),
          },
  };
}

/** The kernel's numbers for what a chain of ours is made with. */
export function listedBase({ type, hook, priority, policy }: BaseChain): NonNullable<ListedChain["base"]> {
  return { type, hook: HOOKS[hook], priority, policy: policy === "accept" ? 1 : 0 };
}

export function readRule(answer: Answer): ListedRule {
  const attributes = attributesOf(answer);
  const elements = [...eachAttribute(attributes.get(4) ?? EMPTY)].map(([, element]) => element);
  const comments = elements.map(readCommentStep);
  const handle = attributes.get(3);
  return {
    chain: textOf(attributes.get(2)),
    handle: handle === undefined ? 0n : read.be64(handle),
    expressions: elements.filter((_, index) => comments[index] === undefined).map(readExpression),
    comment: commentIn(attributes.get(7)) ?? comments.find((comment) => comment !== undefined),
  };
}

export function readSet(answer: Answer): ListedSet {
  const attributes = attributesOf(answer);
  return {
    name: textOf(attributes.get(2)),
    flags: numberOf(attributes.get(3)),
    keyType: numberOf(attributes.get(4)),
    keyBytes: numberOf(attributes.get(5)),
    valueType: numberOf(attributes.get(6)),
    valueBytes: numberOf(attributes.get(7)),
  };
}

const KEY = 1;
const VALUE = 2;
const USER_DATA = 6;
const PADDING = 8;

function readElement(bytes: Uint8Array): ListedElement {
  const attributes = readAttributes(bytes);
  const key = readAttributes(attributes.get(KEY) ?? EMPTY).get(1) ?? EMPTY;
  const data = readAttributes(attributes.get(VALUE) ?? EMPTY);
  return {
    key: hex(key),
    value: hex(data.get(1) ?? data.get(2) ?? EMPTY),
    isStrange: [...attributes.keys()].some((type) => ![KEY, VALUE, USER_DATA, PADDING].includes(type)),
  };
}

export function readElements(answer: Answer): readonly ListedElement[] {
  const list = attributesOf(answer).get(3) ?? EMPTY;
  return [...eachAttribute(list)].map(([, element]) => readElement(element));
}
