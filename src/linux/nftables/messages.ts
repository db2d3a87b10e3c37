/**
 * Changes as messages. Each message has nfgenmsg (u8 family, u8 version, be16 resource) and attributes; those between BEGIN and
 * END happen as a whole or not at all.
 */
import { fail } from "../../base/errors.ts";
import { type Attribute, attribute, FLAG, HEADER_BYTES, type Message, message } from "../netlink/message.ts";
import { expressionAttribute, verdictData } from "./expression-codec.ts";
import { bytesOf, type FieldType, fieldsBytes, typeNumberOf, wordBytes } from "./field-types.ts";
import type { BaseChain, Chain, Change, Element, Family, NamedSet, Rule, Table } from "./ruleset.ts";

const SUBSYSTEM = 10;
export const TYPE = {
  newTable: 0,
  getTable: 1,
  deleteTable: 2,
  newChain: 3,
  getChain: 4,
  newRule: 6,
  getRule: 7,
  deleteRule: 8,
  newSet: 9,
  getSet: 10,
  newElements: 12,
  getElements: 13,
  deleteElements: 14,
  getGeneration: 16,
} as const;
const BEGIN = 0x10;
const END = 0x11;

export const FAMILIES: Readonly<Record<Family, number>> = { inet: 1, ip: 2, ip6: 10 };
export const HOOKS: Readonly<Record<BaseChain["hook"], number>> = {
  prerouting: 0,
  input: 1,
  forward: 2,
  output: 3,
  postrouting: 4,
};
export const SET_MAP = 8;
export const SET_CONCATENATION = 0x80;
export const VERDICT_TYPE = 0xffff_ff00;
export const VERDICT_BYTES = 16;
/** nft's limit. */
const MAX_COMMENT_BYTES = 128;
/** The kernel's limit for an attribute is 64 KiB. */
const ELEMENTS_PER_MESSAGE = 400;

const header = (family: number, resource = 0): Uint8Array =>
  Uint8Array.of(family, 0, resource >> 8, resource & 0xff);

/** A question or an order to nftables. */
export function nftMessage(
  type: number,
  flags: number,
  family: Family | undefined,
  attributes: readonly (Attribute | undefined)[],
): Message {
  return message(
    (SUBSYSTEM << 8) | type,
    flags,
    header(family === undefined ? 0 : FAMILIES[family]),
    attributes,
  );
}

/** A type-length-value list in the user data: type 0 is a comment, for nft and iptables alike, of tables and rules. */
function commentAttribute(type: number, comment: string | undefined): Attribute | undefined {
  if (comment === undefined) return undefined;
  const text = Buffer.from(`${comment}\0`);
  if (text.length > MAX_COMMENT_BYTES) throw fail("internal", `the comment "${comment}" is too long`);
  return attribute.bytes(type, Uint8Array.of(0, text.length, ...text));
}

function tableMessage(table: Table): Message {
  return nftMessage(TYPE.newTable, FLAG.create | FLAG.exclusive, table.family, [
    attribute.string(1, table.name),
    commentAttribute(6, table.comment),
  ]);
}

/** User data of sets (type 0: byte order of the key) for keys of one field that are not big-endian: nft shows nothing without. */
const HOST_ORDER = Uint8Array.of(0, 4, ...wordBytes(1));
const hasHostOrder = (key: readonly FieldType[]): boolean =>
  key.length === 1 && (key[0] === "ifname" || key[0] === "mark");

function setMessage(table: Table, set: NamedSet, id: number): Message {
  const { key, value } = set;
  const flags = (value === undefined ? 0 : SET_MAP) | (key.length > 1 ? SET_CONCATENATION : 0);
  const fields = attribute.nested(
    2,
    key.map((type) => attribute.nested(1, [attribute.be32(1, bytesOf([type]))])),
  );
  return nftMessage(TYPE.newSet, FLAG.create, table.family, [
    attribute.string(1, table.name),
    attribute.string(2, set.name),
    attribute.be32(3, flags),
    attribute.be32(4, typeNumberOf(key)),
    attribute.be32(5, bytesOf(key)),
    value === undefined
      ? undefined
      : attribute.be32(6, value === "verdict" ? VERDICT_TYPE : typeNumberOf(value)),
    value === undefined ? undefined : attribute.be32(7, value === "verdict" ? VERDICT_BYTES : bytesOf(value)),
    key.length > 1 ? attribute.nested(9, [fields]) : undefined,
    attribute.be32(10, id),
    hasHostOrder(key) ? attribute.bytes(13, HOST_ORDER) : undefined,
  ]);
}

function elementAttribute(set: NamedSet, element: Element, onlyKey: boolean): Attribute {
  const key = attribute.nested(1, [attribute.bytes(1, fieldsBytes(set.key, element.key))]);
  if (onlyKey || element.value === undefined || set.value === undefined) return attribute.nested(1, [key]);
  if ("kind" in element.value) return attribute.nested(1, [key, verdictData(2, element.value)]);
  const value = set.value === "verdict" ? [] : set.value;
  return attribute.nested(1, [
    key,
    attribute.nested(2, [attribute.bytes(1, fieldsBytes(value, element.value))]),
  ]);
}

function* elementMessages(
  kind: "add" | "delete",
  place: { readonly family: Family; readonly table: string },
  set: NamedSet,
  elements: readonly Element[],
): Generator<Message> {
  for (let at = 0; at < elements.length; at += ELEMENTS_PER_MESSAGE)
    yield nftMessage(
      kind === "add" ? TYPE.newElements : TYPE.deleteElements,
      kind === "add" ? FLAG.create : 0,
      place.family,
      [
        attribute.string(1, place.table),
        attribute.string(2, set.name),
        attribute.nested(
          3,
          elements
            .slice(at, at + ELEMENTS_PER_MESSAGE)
            .map((one) => elementAttribute(set, one, kind === "delete")),
        ),
      ],
    );
}

function chainMessage(table: Table, { name, base }: Chain): Message {
  return nftMessage(TYPE.newChain, FLAG.create, table.family, [
    attribute.string(1, table.name),
    attribute.string(3, name),
    base === undefined
      ? undefined
      : attribute.nested(4, [attribute.be32(1, HOOKS[base.hook]), attribute.be32(2, base.priority >>> 0)]),
    base === undefined ? undefined : attribute.be32(5, base.policy === "accept" ? 1 : 0),
    base === undefined ? undefined : attribute.string(7, base.type),
  ]);
}

function ruleMessage(
  place: { readonly family: Family; readonly table: string },
  chain: string,
  rule: Rule,
  flags: number,
): Message {
  return nftMessage(TYPE.newRule, flags, place.family, [
    attribute.string(1, place.table),
    attribute.string(2, chain),
    attribute.nested(4, rule.expressions.map(expressionAttribute)),
    commentAttribute(7, rule.comment),
  ]);
}

/** A message, and what it is about, for errors. */
export interface Step {
  readonly message: Message;
  readonly what: string;
}

function* elementSteps(
  kind: "add" | "delete",
  place: { readonly family: Family; readonly table: string },
  set: NamedSet,
  elements: readonly Element[],
): Generator<Step> {
  for (const message of elementMessages(kind, place, set, elements))
    yield { message, what: `elements of "${set.name}"` };
}

/** Chains may jump to each other and elements to chains, so all chains come before rules and elements. */
function* tableSteps(table: Table): Generator<Step> {
  const place = { family: table.family, table: table.name };
  yield { message: tableMessage(table), what: `table "${table.name}"` };
  for (const [index, set] of table.sets.entries())
    yield { message: setMessage(table, set, index + 1), what: `set "${set.name}"` };
  for (const chain of table.chains)
    yield { message: chainMessage(table, chain), what: `chain "${chain.name}"` };
  for (const set of table.sets) yield* elementSteps("add", place, set, set.elements);
  for (const { name, rules } of table.chains)
    for (const [index, rule] of rules.entries())
      yield {
        message: ruleMessage(place, name, rule, FLAG.create | FLAG.append),
        what: `rule ${index + 1} of chain "${name}"`,
      };
}

/** The table is made first if it is not there: there is no other way to delete it only if it is (before Linux 6.3). */
function* removalSteps(family: Family, name: string): Generator<Step> {
  const what = `removal of table "${name}"`;
  yield { message: nftMessage(TYPE.newTable, FLAG.create, family, [attribute.string(1, name)]), what };
  yield { message: nftMessage(TYPE.deleteTable, 0, family, [attribute.string(1, name)]), what };
}

function* changeSteps(change: Change): Generator<Step> {
  switch (change.kind) {
    case "replace":
      yield* removalSteps(change.table.family, change.table.name);
      yield* tableSteps(change.table);
      return;
    case "make":
      yield* tableSteps(change.table);
      return;
    case "remove":
      yield* removalSteps(change.family, change.name);
      return;
    case "add":
    case "delete":
      yield* elementSteps(change.kind, change, change.set, change.elements);
      return;
    case "insert rule":
      yield {
        message: ruleMessage(change, change.chain, change.rule, FLAG.create),
        what: `rule for chain "${change.chain}" of table "${change.table}"`,
      };
      return;
    case "delete rule":
      yield {
        message: nftMessage(TYPE.deleteRule, 0, change.family, [
          attribute.string(1, change.table),
          attribute.string(2, change.chain),
          attribute.be64(3, change.handle),
        ]),
        what: `removal of a rule of chain "${change.chain}" of table "${change.table}"`,
      };
  }
}

/**
 * All changes as one transaction; none when there is nothing to do. With `generation` it fails with ERESTART when anybody changed
 * anything in the meantime. The kernel tells of every message that it refuses, and of the last one also when it does not.
 */
export function transactionSteps(changes: readonly Change[], generation?: number): readonly Step[] {
  const inner = changes.flatMap((change) => [...changeSteps(change)]);
  const last = inner.pop();
  if (last === undefined) return [];
  const begin = message(BEGIN, 0, header(0, SUBSYSTEM), [
    generation === undefined ? undefined : attribute.be32(1, generation),
  ]);
  const end = message(END, 0, header(0, SUBSYSTEM), []);
  return [
    { message: begin, what: "transaction" },
    ...inner,
    { message: acknowledged(last.message), what: last.what },
    { message: end, what: "transaction" },
  ];
}

function acknowledged({ type, flags, bytes: written }: Message): Message {
  const attributesAt = HEADER_BYTES + 4;
  return message(type, flags | FLAG.ack, written.subarray(HEADER_BYTES, attributesAt), [
    written.subarray(attributesAt),
  ]);
}
