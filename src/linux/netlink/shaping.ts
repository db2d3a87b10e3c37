/**
 * How much may go through a link, per second: a token bucket (tbf) where packets wait on their way out of it, and for what comes
 * in by it a link of the kind "ifb", through which all of that is sent first, and which has such a bucket. Waiting suits TCP
 * better than losing packets, policing is an option that not every kernel has, and a bucket at the other end, inside a container,
 * could be taken away there. linux/pkt_sched.h, linux/pkt_cls.h
 *
 *     struct tcmsg            u8 family | u8 – | u16 – | i32 index | u32 handle | u32 parent | u32 info
 *     struct tc_ratespec      u8 cell log | u8 link layer | u16 overhead | i16 cell align | u16 mpu | u32 rate
 *     struct tc_tbf_qopt      ratespec rate | ratespec peak | u32 limit | u32 buffer | u32 mtu
 *     struct tc_u32_sel       u8 flags | u8 shift | u8 keys | u8 – | be16 mask | u16 off | i16 off | i16 off | be32 mask | keys
 *     struct tc_u32_key       be32 mask | be32 value | i32 off | i32 off mask
 *     struct tc_mirred        u32 index | u32 – | i32 action | i32 – | i32 – | i32 what | u32 link
 */
import { fail } from "../../base/errors.ts";
import type { Native } from "../native.ts";
import { listing, PROTOCOL } from "./exchange.ts";
import { RTM } from "./links.ts";
import {
  type Answer,
  attribute,
  FLAG,
  message,
  type Message,
  read,
  readAttributes,
  struct,
} from "./message.ts";

const TCA = { kind: 1, options: 2 } as const;
const TBF = { parameters: 1, rate64: 4, burst: 6 } as const;
const U32 = { selector: 5, actions: 7 } as const;
const ACTION = { kind: 1, options: 2 } as const;
const MIRRED_PARAMETERS = 2;
const ROOT = 0xffffffff;
const INGRESS_PARENT = 0xfffffff1;
const INGRESS_HANDLE = 0xffff0000;
const LINK_LAYER_ETHERNET = 1;
const TERMINAL = 1;
const ACTION_STOLEN = 4;
const REDIRECT_TO_EGRESS = 1;
const ETH_P_ALL = 3;
const FIRST_PRIORITY = 1;

const MAX_U32 = 0xffffffff;
/** Below it the clock's grain would be felt; it is one large packet of TCP's as well. */
const MIN_BURST_BYTES = 65_536;
const BURST_SECONDS = 0.01;
/** Longer than this nothing waits. */
const QUEUE_SECONDS = 0.05;

const tcHeader = (link: number, handle: number, parent: number, info: number): Uint8Array =>
  struct([1, 0], [1, 0], [2, 0], [4, link], [4, handle], [4, parent], [4, info]);

/** What goes out of a link: `bytesPerSecond` instead of any other limit. */
export function limitOutput(link: number, bytesPerSecond: number): Message {
  if (!Number.isSafeInteger(bytesPerSecond) || bytesPerSecond < 1)
    throw fail("invalid_argument", `${bytesPerSecond} bytes per second`);
  const burst = Math.min(MAX_U32, Math.max(MIN_BURST_BYTES, Math.round(bytesPerSecond * BURST_SECONDS)));
  const limit = Math.min(MAX_U32, burst + Math.round(bytesPerSecond * QUEUE_SECONDS));
  const parameters = struct(
    ...([
      [1, 0],
      [1, LINK_LAYER_ETHERNET],
      [2, 0],
      [2, 0],
      [2, 0],
      [4, Math.min(MAX_U32, bytesPerSecond)],
    ] as const),
    ...([
      [1, 0],
      [1, 0],
      [2, 0],
      [2, 0],
      [2, 0],
      [4, 0],
    ] as const),
    [4, limit],
    // In the kernel's own ticks; TBF.burst says it in bytes.
    [4, 0],
    [4, 0],
  );
  return message(RTM.newQdisc, FLAG.ack | FLAG.create | FLAG.replace, tcHeader(link, 0, ROOT, 0), [
    attribute.string(TCA.kind, "tbf"),
    attribute.nested(TCA.options, [
      attribute.bytes(TBF.parameters, parameters),
      attribute.u32(TBF.burst, burst),
      bytesPerSecond > MAX_U32 ? attribute.u64(TBF.rate64, BigInt(bytesPerSecond)) : undefined,
    ]),
  ]);
}

/** ENOENT when there is none. */
export function unlimitOutput(link: number): Message {
  return message(RTM.deleteQdisc, FLAG.ack, tcHeader(link, 0, ROOT, 0), [attribute.string(TCA.kind, "tbf")]);
}

/** What comes in by `link` goes out of `through` first, an ifb, and comes in afterwards; for links that did not do so yet. */
export function redirectInput(link: number, through: number): readonly Message[] {
  const selector = Buffer.alloc(32);
  selector[0] = TERMINAL;
  selector[2] = 1; // one key; it is all zeros and so fits everything
  const mirred = struct(
    [4, 0],
    [4, 0],
    [4, ACTION_STOLEN],
    [4, 0],
    [4, 0],
    [4, REDIRECT_TO_EGRESS],
    [4, through],
  );
  // A big-endian number for protocols, in half of one in this machine's order.
  const protocol = read.u16(Uint8Array.of(0, ETH_P_ALL));
  return [
    message(
      RTM.newQdisc,
      FLAG.ack | FLAG.create | FLAG.exclusive,
      tcHeader(link, INGRESS_HANDLE, INGRESS_PARENT, 0),
      [attribute.string(TCA.kind, "ingress"), attribute.nested(TCA.options, [])],
    ),
    message(
      RTM.newFilter,
      FLAG.ack | FLAG.create | FLAG.exclusive,
      tcHeader(link, 0, INGRESS_HANDLE, FIRST_PRIORITY * 65_536 + protocol),
      [
        attribute.string(TCA.kind, "u32"),
        attribute.nested(TCA.options, [
          attribute.bytes(U32.selector, selector),
          attribute.nested(U32.actions, [
            attribute.nested(1, [
              attribute.string(ACTION.kind, "mirred"),
              attribute.nested(ACTION.options, [attribute.bytes(MIRRED_PARAMETERS, mirred)]),
            ]),
          ]),
        ]),
      ],
    ),
  ];
}

/** EINVAL or ENOENT when nothing is redirected. */
export function unredirectInput(link: number): Message {
  return message(RTM.deleteQdisc, FLAG.ack, tcHeader(link, INGRESS_HANDLE, INGRESS_PARENT, 0), [
    attribute.string(TCA.kind, "ingress"),
  ]);
}

const HEADER_BYTES = 20;

/** Of an RTM_NEWQDISC; undefined when it is no limit. */
export function readLimit({
  payload,
}: Answer): { readonly link: number; readonly bytesPerSecond: number } | undefined {
  const attributes = readAttributes(payload, HEADER_BYTES);
  const [kind, options] = [attributes.get(TCA.kind), attributes.get(TCA.options)];
  if (kind === undefined || options === undefined || read.string(kind) !== "tbf") return undefined;
  const tbf = readAttributes(options);
  const [parameters, wide] = [tbf.get(TBF.parameters), tbf.get(TBF.rate64)];
  if (parameters === undefined) return undefined;
  const bytesPerSecond = wide === undefined ? read.u32(parameters, 8) : Number(read.u64(wide));
  return { link: read.i32(payload, 4), bytesPerSecond };
}

/** By link, what may go out of it. */
export async function listLimits(
  native: Pick<Native, "netlink">,
  namespace: number | undefined,
): Promise<ReadonlyMap<number, number>> {
  const answers = await listing(
    native,
    PROTOCOL.route,
    namespace,
    message(RTM.getQdisc, FLAG.dump, tcHeader(0, 0, 0, 0), []),
  );
  const limits = answers.map(readLimit).filter((limit) => limit !== undefined);
  return new Map(limits.map(({ link, bytesPerSecond }) => [link, bytesPerSecond]));
}
