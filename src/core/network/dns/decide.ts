/** What becomes of a message from a container: pure. Docker's rules; where it leaks local names to the outside, silence. */
import {
  type AnswerRecord,
  answerLimit,
  writeAnswer,
  writeBadVersion,
  writeFailure,
  writeFormatError,
} from "./answer.ts";
import { CLASS_IN, FLAG, type Message, RCODE, readMessage, TYPE } from "./message.ts";
import { findName, findPointer, type NameAddresses, type NameView, type Upstream } from "./name-view.ts";
import { FormatError, nameBytes } from "./wire-name.ts";

export type Decision =
  | { readonly kind: "answer"; readonly bytes: Uint8Array }
  /** To be asked elsewhere, of these in turn. */
  | { readonly kind: "forward"; readonly query: Message; readonly upstreams: readonly Upstream[] }
  /** Not worth an answer: it is one itself, or no message at all. */
  | { readonly kind: "silence" };

export interface DecideOptions {
  readonly transport: "udp" | "tcp";
  /** A whole number below `limit`, for the order of a name's addresses. */
  readonly random: (limit: number) => number;
}

const OWN_ADDRESS = "127.0.0.11";
const MAX_UPSTREAMS = 3;

export function decide(bytes: Uint8Array, view: NameView, options: DecideOptions): Decision {
  const query = readOrRefuse(bytes);
  if ("kind" in query) return query;
  if ((query.flags & FLAG.QR) !== 0) return { kind: "silence" };
  const [question] = query.questions;
  if (query.opcode !== 0) return failure(query, RCODE.NOTIMP);
  if (question === undefined || query.answers.length > 0) return failure(query, RCODE.FORMERR);
  if (query.edns !== undefined && query.edns.version > 0)
    return { kind: "answer", bytes: writeBadVersion(query) };
  // A zone comes as many messages, which only its own servers have a use for.
  if (question.type === TYPE.AXFR || question.type === TYPE.IXFR) return failure(query, RCODE.REFUSED);
  const records = question.class === CLASS_IN ? localRecords(question, view, options) : undefined;
  if (records !== undefined) {
    return {
      kind: "answer",
      bytes: writeAnswer(query, records, answerLimit(query, options.transport)),
    };
  }
  return elsewhere(query, view);
}

function readOrRefuse(bytes: Uint8Array): Message | Decision {
  try {
    return readMessage(bytes);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const answer = writeFormatError(bytes);
    return answer === undefined ? { kind: "silence" } : { kind: "answer", bytes: answer };
  }
}

function failure(query: Message, rcode: number): Decision {
  return { kind: "answer", bytes: writeFailure(query, rcode) };
}

/** Undefined: nobody here. Empty: the name is ours, but has nothing of the type; nobody else needs to hear of it. */
function localRecords(
  question: { readonly name: string; readonly type: number },
  view: NameView,
  options: DecideOptions,
): AnswerRecord[] | undefined {
  if (question.type === TYPE.PTR) {
    const called = findPointer(view, question.name);
    const data = called === undefined ? undefined : nameBytes(called);
    if (data !== undefined) return [{ type: TYPE.PTR, data }];
  }
  const found = findName(view, question.name);
  return found === undefined ? undefined : addressRecords(found, question.type, options);
}

function addressRecords(found: NameAddresses, type: number, options: DecideOptions): AnswerRecord[] {
  const records: AnswerRecord[] = [];
  if (type === TYPE.A || type === TYPE.ANY)
    for (const data of shuffled(found.v4, options)) records.push({ type: TYPE.A, data });
  if (type === TYPE.AAAA || type === TYPE.ANY)
    for (const data of shuffled(found.v6, options)) records.push({ type: TYPE.AAAA, data });
  return records;
}

function shuffled<T>(items: readonly T[], { random }: DecideOptions): readonly T[] {
  if (items.length < 2) return items;
  const all = [...items];
  for (let last = all.length - 1; last > 0; last--) {
    const other = random(last + 1);
    const [a, b] = [all[last], all[other]];
    if (a === undefined || b === undefined) continue;
    all[last] = b;
    all[other] = a;
  }
  return all;
}

/**
 * The CVE-2024-29018 rule: a container without a way out must not get a message out through this server. What it asks of
 * a server of its own, it asks through its own network, which leads nowhere by itself.
 */
function elsewhere(query: Message, view: NameView): Decision {
  const [question] = query.questions;
  const isAddress = question?.type === TYPE.A || question?.type === TYPE.AAAA;
  if (view.hasOwnNdots && isAddress && !question.name.includes(".")) {
    return { kind: "answer", bytes: writeAnswer(query, [], 512) };
  }
  const upstreams = view.upstreams
    .filter(({ address, through }) => (through === "host" ? view.hasWayOut : address !== OWN_ADDRESS))
    .slice(0, MAX_UPSTREAMS);
  if (upstreams.length === 0) return failure(query, RCODE.SERVFAIL);
  return { kind: "forward", query, upstreams };
}
