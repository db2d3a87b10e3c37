/** Comparisons, pure: of two tables that are wanted, and of one that is wanted with what the kernel has. */
import { expressionAttribute, verdictData } from "./expression-codec.ts";
import { bytesOf, fieldsBytes, typeNumberOf } from "./field-types.ts";
import {
  listedBase,
  type ListedChain,
  type ListedElement,
  type ListedRule,
  type ListedSet,
} from "./listing.ts";
import { SET_CONCATENATION, SET_MAP, VERDICT_BYTES, VERDICT_TYPE } from "./messages.ts";
import type { Chain, Change, Element, Family, NamedSet, Rule, Table } from "./ruleset.ts";
import { readAttributes } from "../netlink/message.ts";

/** Everything that the kernel has of one table. */
export interface ListedTable {
  readonly flags: number;
  readonly comment: string | undefined;
  readonly chains: readonly ListedChain[];
  /** In their order. */
  readonly rules: readonly ListedRule[];
  readonly sets: readonly (ListedSet & { readonly elements: readonly ListedElement[] })[];
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function ruleText({ comment, expressions }: Rule): string {
  const steps = expressions.map((step) =>
    step.kind === "unknown" ? `? ${step.name}` : hex(expressionAttribute(step)),
  );
  return [comment ?? "", ...steps].join(" ");
}

function elementText(set: NamedSet, { key, value }: Element): string {
  const its =
    value === undefined
      ? ""
      : "kind" in value
        ? hex(
            readAttributes(readAttributes(verdictData(2, value)).get(2) ?? new Uint8Array()).get(2) ??
              new Uint8Array(),
          )
        : hex(fieldsBytes(set.value === "verdict" ? [] : (set.value ?? []), value));
  return `${hex(fieldsBytes(set.key, key))} ${its}`;
}

function setNumbers(set: NamedSet): readonly number[] {
  const { key, value } = set;
  const flags = (value === undefined ? 0 : SET_MAP) | (key.length > 1 ? SET_CONCATENATION : 0);
  const types =
    value === undefined
      ? [0, 0]
      : value === "verdict"
        ? [VERDICT_TYPE, VERDICT_BYTES]
        : [typeNumberOf(value), bytesOf(value)];
  return [flags, typeNumberOf(key), bytesOf(key), ...types];
}

/** Every part of a table by what it is, as a text that is the same only for the same content. */
type Parts = ReadonlyMap<string, string>;

function wantedParts(table: Table): Parts {
  const parts = new Map([["table", JSON.stringify([0, table.comment])]]);
  for (const { name, base, rules } of table.chains) {
    const its = base === undefined ? undefined : listedBase(base);
    parts.set(`chain "${name}"`, JSON.stringify([its, rules.map(ruleText)]));
  }
  for (const set of table.sets) {
    parts.set(`set "${set.name}"`, JSON.stringify(setNumbers(set)));
    const elements = set.elements.map((element) => elementText(set, element));
    parts.set(`elements of "${set.name}"`, elements.toSorted().join("\n"));
  }
  return parts;
}

function listedParts(table: ListedTable): Parts {
  const parts = new Map([["table", JSON.stringify([table.flags, table.comment])]]);
  for (const { name, base } of table.chains) {
    const rules = table.rules.filter(({ chain }) => chain === name);
    parts.set(`chain "${name}"`, JSON.stringify([base, rules.map(ruleText)]));
  }
  for (const set of table.sets) {
    const { name, flags, keyType, keyBytes, valueType, valueBytes } = set;
    parts.set(`set "${name}"`, JSON.stringify([flags, keyType, keyBytes, valueType, valueBytes]));
    const elements = set.elements.map((one) => `${one.key} ${one.value}${one.isStrange ? " !" : ""}`);
    parts.set(`elements of "${name}"`, elements.toSorted().join("\n"));
  }
  return parts;
}

/** What of the table is not as it should be ('chain "forward"'); nothing: all is well. */
export function deviations(wanted: Table, listed: ListedTable | undefined): readonly string[] {
  if (listed === undefined) return ["table"];
  const [should, is] = [wantedParts(wanted), listedParts(listed)];
  return [...new Set([...should.keys(), ...is.keys()])].filter((part) => should.get(part) !== is.get(part));
}

function sameChains(before: readonly Chain[], after: readonly Chain[]): boolean {
  const content = (chains: readonly Chain[]): string =>
    JSON.stringify(chains.map(({ name, base, rules }) => [name, base, rules.map(ruleText)]));
  return before === after || content(before) === content(after);
}

function sameShape(before: Table, after: Table): boolean {
  const outline = ({ family, name, comment, sets }: Table): string =>
    JSON.stringify([family, name, comment, sets.map((set) => [set.name, set.key, set.value])]);
  return outline(before) === outline(after) && sameChains(before.chains, after.chains);
}

const keyOf = ({ key }: Element): string => key.join(" ");
const valueOf = ({ value }: Element): string => (value === undefined ? "" : JSON.stringify(value));

type Place = { readonly family: Family; readonly table: string };

function elementChanges(table: Place, before: NamedSet, after: NamedSet): readonly Change[] {
  if (before.elements === after.elements) return [];
  const old = new Map(before.elements.map((element) => [keyOf(element), element]));
  const added: Element[] = [];
  const gone: Element[] = [];
  for (const element of after.elements) {
    const its = old.get(keyOf(element));
    old.delete(keyOf(element));
    if (its !== undefined && valueOf(its) === valueOf(element)) continue;
    if (its !== undefined) gone.push(its);
    added.push(element);
  }
  gone.push(...old.values());
  const place = { ...table, set: after };
  return [
    ...(gone.length === 0 ? [] : [{ kind: "delete" as const, ...place, elements: gone }]),
    ...(added.length === 0 ? [] : [{ kind: "add" as const, ...place, elements: added }]),
  ];
}

/** By elements; `before` and `after` are the same sets otherwise, in the same order. */
export function setChanges(
  table: Place,
  before: readonly NamedSet[],
  after: readonly NamedSet[],
): readonly Change[] {
  return after.flatMap((set, index) => elementChanges(table, before[index] ?? set, set));
}

/** How the kernel gets from one table to the next: by elements alone where nothing else differs. Quick when both have the same array of chains. */
export function tableChanges(before: Table | undefined, after: Table): readonly Change[] {
  if (before === undefined || !sameShape(before, after)) return [{ kind: "replace", table: after }];
  return setChanges({ family: after.family, table: after.name }, before.sets, after.sets);
}
