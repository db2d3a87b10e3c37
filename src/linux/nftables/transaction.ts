/**
 * nftables of a network namespace (undefined: this process's own): changed in transactions, and listed.
 *
 * On crash: a transaction happens as a whole or not at all.
 */
import { fail, GantryError, messageOf } from "../../base/errors.ts";
import { accepted, exchange, listing, NetlinkError, PROTOCOL } from "../netlink/exchange.ts";
import { type Answer, attribute, FLAG, read, readAttributes } from "../netlink/message.ts";
import type { Native } from "../native.ts";
import { deviations, type ListedTable } from "./differences.ts";
import {
  type ListedChain,
  type ListedRule,
  readChain,
  readElements,
  readRule,
  readSet,
  readTable,
} from "./listing.ts";
import { nftMessage, transactionSteps, TYPE } from "./messages.ts";
import type { Change, Family, Table } from "./ruleset.ts";

type Kernel = Pick<Native, "netlink">;

/** Undefined when all of it has happened; otherwise nothing has. */
async function refusalOf(
  native: Kernel,
  namespace: number | undefined,
  changes: readonly Change[],
  generation?: number,
): Promise<{ readonly error: NetlinkError; readonly what: string } | undefined> {
  const steps = transactionSteps(changes, generation);
  const messages = steps.map((step) => step.message);
  const outcomes = await exchange(native, PROTOCOL.netfilter, namespace, messages);
  for (const [index, outcome] of outcomes.entries())
    if (outcome instanceof NetlinkError) return { error: outcome, what: steps[index]?.what ?? "" };
  return undefined;
}

const refused = ({ error, what }: { readonly error: NetlinkError; readonly what: string }): Error =>
  fail("internal", `cannot change nftables: the kernel refuses the ${what}: ${messageOf(error)}`, error);

/** Makes all of the changes, or rejects and has made none; the cause says which the kernel refused. */
export async function commit(
  native: Kernel,
  namespace: number | undefined,
  changes: readonly Change[],
): Promise<void> {
  const refusal = await refusalOf(native, namespace, changes);
  if (refusal !== undefined) throw refused(refusal);
}

/** Whether the kernel has refused what `commit` was asked for with this code. */
export function isRefusedWith(error: unknown, code: string): boolean {
  return error instanceof GantryError && error.cause instanceof NetlinkError && error.cause.code === code;
}

/** Another number after every transaction of anybody in the namespace. */
async function generationOf(native: Kernel, namespace: number | undefined): Promise<number> {
  const question = nftMessage(TYPE.getGeneration, FLAG.ack, undefined, []);
  const [answers = []] = accepted(await exchange(native, PROTOCOL.netfilter, namespace, [question]));
  const id = answers[0] === undefined ? undefined : readAttributes(answers[0].payload, 4).get(1);
  if (id === undefined) throw fail("internal", "nftables does not tell its generation");
  return read.be32(id);
}

function list(
  native: Kernel,
  namespace: number | undefined,
  type: number,
  family: Family | undefined,
  names: readonly string[],
): Promise<readonly Answer[]> {
  const attributes = names.map((name, index) => attribute.string(index + 1, name));
  return listing(native, PROTOCOL.netfilter, namespace, nftMessage(type, FLAG.dump, family, attributes));
}

/** All chains of everybody. */
export async function listChains(
  native: Kernel,
  namespace: number | undefined,
): Promise<readonly ListedChain[]> {
  return (await list(native, namespace, TYPE.getChain, undefined, [])).map(readChain);
}

/** Of one chain; of a chain that is not there, none. */
export async function listRules(
  native: Kernel,
  namespace: number | undefined,
  family: Family,
  table: string,
  chain?: string,
): Promise<readonly ListedRule[]> {
  const rules = (await list(native, namespace, TYPE.getRule, family, [table])).map(readRule);
  return chain === undefined ? rules : rules.filter((rule) => rule.chain === chain);
}

async function listSets(
  native: Kernel,
  namespace: number | undefined,
  family: Family,
  table: string,
): Promise<ListedTable["sets"]> {
  const sets = (await list(native, namespace, TYPE.getSet, family, [table])).map(readSet);
  return Promise.all(
    sets.map(async (set) => {
      const answers = await list(native, namespace, TYPE.getElements, family, [table, set.name]);
      return { ...set, elements: answers.flatMap(readElements) };
    }),
  );
}

/** Undefined when there is no such table. May contradict itself when somebody changes it meanwhile. */
async function listTable(
  native: Kernel,
  namespace: number | undefined,
  family: Family,
  name: string,
): Promise<ListedTable | undefined> {
  const question = nftMessage(TYPE.getTable, FLAG.ack, family, [attribute.string(1, name)]);
  const [outcome = []] = await exchange(native, PROTOCOL.netfilter, namespace, [question]);
  if (outcome instanceof NetlinkError && outcome.code === "ENOENT") return undefined;
  const [answer] = accepted([outcome]).flat();
  if (answer === undefined) throw fail("internal", `nftables does not tell of its table "${name}"`);
  const [chains, rules, sets] = await Promise.all([
    listChains(native, namespace),
    listRules(native, namespace, family, name),
    listSets(native, namespace, family, name),
  ]);
  return {
    ...readTable(answer),
    chains: chains.filter((chain) => chain.family === family && chain.table === name),
    rules,
    sets,
  };
}

/** Codes of what happens when somebody else changes nftables at the same time. */
const isOvertaken = (error: unknown): boolean =>
  error instanceof NetlinkError && ["ERESTART", "EINTR", "ENOENT"].includes(error.code);

/** What is not as it should be; undefined when somebody else changed something meanwhile, so that this may be no truth. */
async function look(
  native: Kernel,
  namespace: number | undefined,
  wanted: Table,
): Promise<readonly string[] | undefined> {
  try {
    const before = await generationOf(native, namespace);
    const wrong = deviations(wanted, await listTable(native, namespace, wanted.family, wanted.name));
    return before === (await generationOf(native, namespace)) ? wrong : undefined;
  } catch (error) {
    if (isOvertaken(error)) return undefined;
    throw error;
  }
}

const MAX_LOOKS = 10;

/**
 * Puts a table right, whatever somebody has done to it: rules and elements by their content. One transaction, in which nobody is
 * without rules. Returns what was not as it should be. Where others change theirs all the time, so that there is no looking, it is
 * made anew. Not at the same time as other changes of the same table.
 */
export async function reconcile(
  native: Kernel,
  namespace: number | undefined,
  wanted: Table,
): Promise<readonly string[]> {
  for (let attempt = 1; ; attempt++) {
    const wrong =
      attempt > MAX_LOOKS
        ? ["all that others leave no time to look at"]
        : await look(native, namespace, wanted);
    if (wrong === undefined) continue;
    if (wrong.length > 0) await commit(native, namespace, [{ kind: "replace", table: wanted }]);
    return wrong;
  }
}

/**
 * Makes the changes that `decide` finds right for what there is, and nothing else happens between its look and them; it is asked
 * again when something does.
 */
export async function commitUndisturbed<T extends { readonly changes: readonly Change[] }>(
  native: Kernel,
  namespace: number | undefined,
  decide: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const generation = await generationOf(native, namespace);
    const decision = await decide();
    if (decision.changes.length === 0) return decision;
    const refusal = await refusalOf(native, namespace, decision.changes, generation);
    if (refusal === undefined) return decision;
    if (!isOvertaken(refusal.error) || attempt === MAX_LOOKS) throw refused(refusal);
  }
}
