/**
 * Questions and orders to the kernel, and its answers to each. A batch costs one thread and two system calls, however long it is;
 * the kernel works on its messages one by one, in order, and goes on behind one that it refuses (nftables does not: what is
 * between its two batch messages happens as a whole or not at all).
 *
 * On crash: a batch that was handed over is worked on to its end.
 */
import { constants } from "node:os";
import { errnoName } from "../../base/errno.ts";
import { fail } from "../../base/errors.ts";
import type { Native } from "../native.ts";
import {
  type Answer,
  batch,
  CONTROL,
  FLAG,
  HEADER_BYTES,
  type Message,
  read,
  readAttributes,
  readMessages,
} from "./message.ts";

/** Protocols of AF_NETLINK. */
export const PROTOCOL = { route: 0, netfilter: 12 } as const;

/** The kernel's refusal of one message. `code`, `errno` and `syscall` are as in errors of Node's. */
export class NetlinkError extends Error {
  /** "EEXIST" */
  readonly code: string;
  readonly errno: number;
  readonly syscall = "netlink";
  /** What the kernel said about it besides; often nothing. */
  readonly words: string;
  /** Which attribute it did not like: its place in the message, counted from the message's beginning. */
  readonly offset: number | undefined;

  constructor(errno: number, words: string, offset?: number) {
    const code = errnoName(errno);
    super(words === "" ? code : `${code}: ${words}`);
    this.name = "NetlinkError";
    this.code = code;
    this.errno = errno;
    this.words = words;
    this.offset = offset;
  }
}

/** What became of one message: the answers to it, without the acknowledgement, or the refusal. */
export type Outcome = readonly Answer[] | NetlinkError;

/** Of an answer: its payload is what was asked of before. */
const CAPPED = 0x100;
const HAS_ATTRIBUTES = 0x200;
const WORDS = 1;
const OFFSET = 2;

function refusal(errno: number, answer: Answer, attributesAt: number): NetlinkError {
  if ((answer.flags & HAS_ATTRIBUTES) === 0 || attributesAt > answer.payload.length)
    return new NetlinkError(errno, "");
  const attributes = readAttributes(answer.payload, attributesAt);
  const [words, offset] = [attributes.get(WORDS), attributes.get(OFFSET)];
  return new NetlinkError(
    errno,
    words === undefined ? "" : read.string(words),
    offset === undefined ? undefined : read.u32(offset),
  );
}

/** NLMSG_ERROR (i32 −errno, header of the request, unless capped the rest of it) or NLMSG_DONE (i32 −errno); undefined: no error. */
function refusalIn(answer: Answer): NetlinkError | undefined {
  const { type, flags, payload } = answer;
  if (type === CONTROL.done && payload.length < 4) return undefined;
  const errno = -read.i32(payload);
  if (errno <= 0) return undefined;
  if (type === CONTROL.done) return refusal(errno, answer, 4);
  const echoed = (flags & CAPPED) !== 0 ? HEADER_BYTES : (read.u32(payload, 4) + 3) & ~3;
  return refusal(errno, answer, 4 + echoed);
}

/** Sequence numbers begin with this. */
const FIRST = 1;

const isListing = ({ flags }: Message): boolean => (flags & FLAG.dump) === FLAG.dump;

const INTERRUPTED = new NetlinkError(constants.errno.EINTR, "what was being listed has changed meanwhile");

/** What `bytes` say about every one of `messages`. Pure. */
export function outcomesOf(messages: readonly Message[], bytes: Uint8Array): readonly Outcome[] {
  const answers: Answer[][] = messages.map(() => []);
  const refused = new Map<number, NetlinkError>();
  const ended = new Set<number>();
  for (const answer of readMessages(bytes)) {
    const index = answer.sequence - FIRST;
    const [own, asked] = [answers[index], messages[index]];
    if (own === undefined || asked === undefined)
      throw fail("internal", `a netlink answer to message ${answer.sequence} of ${messages.length}`);
    if (answer.type === CONTROL.overrun) throw fail("internal", "answers of netlink were lost");
    const isEnd = answer.type === CONTROL.error || answer.type === CONTROL.done;
    const error = isEnd ? refusalIn(answer) : undefined;
    if (isEnd) ended.add(index);
    else if (answer.type !== CONTROL.noop) own.push(answer);
    if (error !== undefined) refused.set(index, error);
    else if (isListing(asked) && (answer.flags & FLAG.interrupted) !== 0) refused.set(index, INTERRUPTED);
  }
  for (const [index, asked] of messages.entries())
    if (((asked.flags & FLAG.ack) !== 0 || isListing(asked)) && !ended.has(index) && refused.size === 0)
      throw fail("internal", `netlink did not answer to message ${index + FIRST} of ${messages.length}`);
  return answers.map((own, index) => refused.get(index) ?? own);
}

/**
 * Hands over a batch and tells what became of each message, in order. `namespace` as `Native.netlink` has it. Messages that shall
 * be acknowledged (all that change something should) have FLAG.ack. Only the last one may ask for a listing: the kernel refuses
 * everything else on that socket as long as it lists. Rejects when the batch as such could not be handed over.
 */
export async function exchange(
  native: Pick<Native, "netlink">,
  protocol: number,
  namespace: number | undefined,
  messages: readonly Message[],
): Promise<readonly Outcome[]> {
  if (messages.length === 0) return [];
  return outcomesOf(messages, await native.netlink(protocol, namespace, batch(messages, FIRST)));
}

/** The answers, when nothing was refused; throws the first refusal. */
export function accepted(outcomes: readonly Outcome[]): readonly (readonly Answer[])[] {
  return outcomes.map((outcome) => {
    if (outcome instanceof NetlinkError) throw outcome;
    return outcome;
  });
}

const MAX_LISTINGS = 10;

/** One listing that does not contradict itself: it is asked for again while others change what it lists. */
export async function listing(
  native: Pick<Native, "netlink">,
  protocol: number,
  namespace: number | undefined,
  question: Message,
): Promise<readonly Answer[]> {
  for (let attempt = 1; ; attempt++) {
    const [outcome = []] = await exchange(native, protocol, namespace, [question]);
    if (!(outcome instanceof NetlinkError)) return outcome;
    if (outcome.code !== "EINTR" || attempt === MAX_LISTINGS) throw outcome;
  }
}
