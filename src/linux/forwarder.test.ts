import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { failureOf } from "../../test/support/failure.ts";
import {
  encodeForwarderPlan,
  FORWARD_MAGIC,
  FORWARD_MAX_ENTRIES,
  FORWARDER_LIMITS,
  type ForwarderSocket,
} from "./forwarder.ts";

const TARGET = { address: Uint8Array.of(172, 17, 0, 2), port: 80 };
const WEB: ForwarderSocket = { protocol: "tcp", fd: 9, target: TARGET };

const refusal = (sockets: readonly ForwarderSocket[]): Promise<unknown> =>
  failureOf((async () => encodeForwarderPlan({ sockets, watch: 8 }))());

test("encodeForwarderPlan() writes what native/include/forward.h reads", () => {
  const header = readFileSync(join(import.meta.dirname, "..", "..", "native/include/forward.h"), "utf8");
  const constant = (name: string): number =>
    Number(new RegExp(`#define ${name} (\\w+?)u?\\b`).exec(header)?.[1]);
  expect(constant("FORWARD_MAGIC")).toBe(FORWARD_MAGIC);
  expect(constant("FORWARD_MAX_ENTRIES")).toBe(FORWARD_MAX_ENTRIES);
  const limits = { maxConnections: 1, maxFlows: 2, flowTimeoutMs: 3, keepAliveSeconds: 4, drainMs: 5 };
  const dns: ForwarderSocket = {
    protocol: "udp",
    fd: 10,
    target: { address: new Uint8Array(16).fill(7), port: 53 },
  };
  const plan = Buffer.from(encodeForwarderPlan({ sockets: [WEB, dns], watch: 8, limits }));
  const words = Array.from({ length: 12 }, (_, at) => plan.readUInt32LE(4 * at));
  expect(words).toEqual([FORWARD_MAGIC, 1, 2, 3, 4, 5, 8, 2, 6, 9, 80, 4]);
  expect([...plan.subarray(48, 52)]).toEqual([172, 17, 0, 2]);
  expect([52, 56, 60, 64].map((at) => plan.readUInt32LE(at))).toEqual([17, 10, 53, 16]);
  expect(plan.subarray(68)).toEqual(Buffer.alloc(16, 7));
});

test("encodeForwarderPlan() has Docker's times where nothing else is said", () => {
  const plan = Buffer.from(encodeForwarderPlan({ sockets: [WEB], watch: 8 }));
  expect(plan.readUInt32LE(12)).toBe(90_000);
  expect(FORWARDER_LIMITS.flowTimeoutMs).toBe(90_000);
});

test("encodeForwarderPlan() refuses SCTP by name, no sockets and too many", async () => {
  expect(await refusal([{ ...WEB, protocol: "sctp" }])).toMatchObject({
    category: "invalid_argument",
    message: "cannot forward sctp",
  });
  expect(await refusal([])).toMatchObject({ message: "cannot forward from 0 sockets" });
  expect(await refusal(Array.from({ length: 4097 }, () => WEB))).toMatchObject({
    message: "cannot forward from 4097 sockets",
  });
});
