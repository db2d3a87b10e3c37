import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NO_LOG } from "../../base/log.ts";
import type { EventMessage } from "../../specs/engine/system.ts";
import { EventLog } from "./event-log.ts";
import type { SubscribeOptions } from "./events.ts";
import { MemoryEventBus } from "./memory-bus.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "gantry-events-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const SMALL = { totalBytes: 40_000, fileBytes: 10_000 };

function event(n: number): EventMessage {
  return {
    Type: "container",
    Action: n % 2 === 0 ? "start" : "die",
    Actor: { ID: `c${n}`, Attributes: { name: "ä\nb" } },
    scope: "local",
    time: n,
    timeNano: BigInt(n) * 1_000_000_000n,
  };
}

function past(more: Partial<SubscribeOptions> = {}): SubscribeOptions {
  return {
    sinceNs: 0n,
    untilNs: 10n ** 15n,
    filters: new Map(),
    signal: new AbortController().signal,
    ...more,
  };
}

async function times(events: AsyncIterable<EventMessage>): Promise<number[]> {
  const seen: number[] = [];
  for await (const { time } of events) seen.push(time);
  return seen;
}

function span(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

test("what was published is told by the next bus, in order and exactly", async () => {
  const log = await EventLog.open(directory, NO_LOG);
  const bus = new MemoryEventBus(log);
  for (let n = 1; n <= 5; n++) bus.publish(event(n));
  await log.close();
  const again = await EventLog.open(directory, NO_LOG);
  const next = new MemoryEventBus(again);
  next.publish(event(6));
  const seen: EventMessage[] = [];
  for await (const message of next.subscribe(past())) seen.push(message);
  expect(seen).toEqual(span(1, 6).map(event));
  expect(await times(next.subscribe(past({ sinceNs: 3_000_000_000n, untilNs: 5_000_000_000n })))).toEqual([
    3, 4, 5,
  ]);
  const dies = new Map([["event", new Set(["die"])]]);
  expect(await times(next.subscribe(past({ filters: dies })))).toEqual([1, 3, 5]);
  await again.close();
});

test("a line that a killed daemon could not finish is cut off", async () => {
  const log = await EventLog.open(directory, NO_LOG);
  new MemoryEventBus(log).publish(event(1));
  await log.close();
  const [name = ""] = readdirSync(directory);
  appendFileSync(join(directory, name), '2 2000000000 {"Type":"contai');
  const again = await EventLog.open(directory, NO_LOG);
  const bus = new MemoryEventBus(again);
  for (const n of [2, 3]) bus.publish(event(n));
  await again.close();
  const third = new MemoryEventBus(await EventLog.open(directory, NO_LOG));
  expect(await times(third.subscribe(past()))).toEqual([1, 2, 3]);
});

test("a file with nothing whole in it is thrown away", async () => {
  writeFileSync(join(directory, "000000000000007.events"), "7 7");
  const log = await EventLog.open(directory, NO_LOG);
  expect([log.last, readdirSync(directory)]).toEqual([0, []]);
});

test("the oldest files go, and the rest goes on", async () => {
  const log = await EventLog.open(directory, NO_LOG, SMALL);
  const bus = new MemoryEventBus(log);
  for (let n = 1; n <= 2000; n++) {
    bus.publish(event(n));
    if (n % 50 === 0) await log.flush();
  }
  const bytes = readdirSync(directory).map((name) => statSync(join(directory, name)).size);
  expect(bytes.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(SMALL.totalBytes);
  await log.close();
  const seen = await times(
    new MemoryEventBus(await EventLog.open(directory, NO_LOG, SMALL)).subscribe(past()),
  );
  expect(seen).toEqual(span(seen[0] ?? 0, 2000));
  expect(seen.length).toBeGreaterThan(100);
});

test("a listener that falls behind what is in memory reads on from the disk", async () => {
  const log = await EventLog.open(directory, NO_LOG);
  const bus = new MemoryEventBus(log);
  const events = bus.subscribe(past({ sinceNs: undefined, untilNs: undefined }))[Symbol.asyncIterator]();
  for (let n = 1; n <= 5000; n++) {
    bus.publish(event(n));
    if (n % 500 === 0) await log.flush();
  }
  const seen: unknown[] = [];
  for (let n = 1; n <= 5000; n++) seen.push((await events.next()).value?.time);
  expect(seen).toEqual(span(1, 5000));
  await events.return?.();
  await log.close();
});

test("a listener that falls behind all that is kept is told so", async () => {
  const log = await EventLog.open(directory, NO_LOG, SMALL);
  const bus = new MemoryEventBus(log);
  const events = bus.subscribe(past({ sinceNs: undefined, untilNs: undefined }));
  for (let n = 1; n <= 5000; n++) {
    bus.publish(event(n));
    if (n % 50 === 0) await log.flush();
  }
  const failure: unknown = await times(events).catch((error: unknown) => error);
  expect(failure).toMatchObject({ category: "unavailable" });
  expect(bus.subscribers).toBe(0);
  await log.close();
});

test("a disk that refuses costs events on it, and nothing else", async () => {
  const log = await EventLog.open(directory, NO_LOG);
  const bus = new MemoryEventBus(log);
  rmSync(directory, { recursive: true });
  for (let n = 1; n <= 3000; n++) {
    bus.publish(event(n));
    if (n % 500 === 0) await log.flush();
  }
  const seen = await times(bus.subscribe(past()));
  expect(seen.at(-1)).toBe(3000);
  expect(seen.length).toBeLessThan(3000);
  await log.close();
});
