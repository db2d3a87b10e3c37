import { expect, test } from "bun:test";
import type { EventMessage } from "../../specs/engine/system.ts";
import type { SubscribeOptions } from "./events.ts";
import { MemoryEventBus } from "./memory-bus.ts";

const SECOND = 1_000_000_000n;

function event(n: number, action = "start"): EventMessage {
  return {
    Type: "container",
    Action: action,
    Actor: { ID: `c${n}`, Attributes: {} },
    scope: "local",
    time: n,
    timeNano: BigInt(n) * SECOND,
  };
}

function options(more: Partial<SubscribeOptions> = {}): SubscribeOptions {
  return {
    sinceNs: undefined,
    untilNs: undefined,
    filters: new Map(),
    signal: new AbortController().signal,
    ...more,
  };
}

async function times(
  events: AsyncIterable<EventMessage>,
  count = Number.POSITIVE_INFINITY,
): Promise<number[]> {
  const seen: number[] = [];
  for await (const { time } of events) {
    seen.push(time);
    if (seen.length === count) break;
  }
  return seen;
}

test("a subscriber hears what is published from the moment of its call on", async () => {
  const bus = new MemoryEventBus();
  bus.publish(event(1));
  const events = bus.subscribe(options());
  bus.publish(event(2));
  bus.publish(event(3));
  expect(await times(events, 2)).toEqual([2, 3]);
});

test("a subscriber that waits is woken", async () => {
  const bus = new MemoryEventBus();
  const seen = times(bus.subscribe(options()), 1);
  await Promise.resolve();
  bus.publish(event(7));
  expect(await seen).toEqual([7]);
});

test("since replays what is remembered, inclusively, and goes on", async () => {
  const bus = new MemoryEventBus();
  for (const n of [1, 2, 3]) bus.publish(event(n));
  const events = bus.subscribe(options({ sinceNs: 2n * SECOND }));
  bus.publish(event(4));
  expect(await times(events, 3)).toEqual([2, 3, 4]);
});

test("until in the past replays up to it, inclusively, and ends", async () => {
  const bus = new MemoryEventBus();
  for (const n of [1, 2, 3]) bus.publish(event(n));
  expect(await times(bus.subscribe(options({ untilNs: 2n * SECOND })))).toEqual([1, 2]);
  expect(bus.subscribers).toBe(0);
});

test("until in the future ends the subscription then", async () => {
  const bus = new MemoryEventBus();
  const events = bus.subscribe(options({ untilNs: BigInt(Date.now() + 20) * 1_000_000n }));
  bus.publish(event(5));
  expect(await times(events)).toEqual([5]);
});

test("the last 1024 events are remembered", async () => {
  const bus = new MemoryEventBus();
  for (let n = 1; n <= 5000; n++) bus.publish(event(n));
  const seen = await times(bus.subscribe(options({ sinceNs: 0n, untilNs: 5000n * SECOND })));
  expect([seen[0], seen.length]).toEqual([3977, 1024]);
});

test("filters hold for the past and the present", async () => {
  const bus = new MemoryEventBus();
  bus.publish(event(1));
  bus.publish(event(2, "die"));
  const events = bus.subscribe(options({ sinceNs: 0n, filters: new Map([["event", new Set(["die"])]]) }));
  bus.publish(event(3));
  bus.publish(event(4, "die"));
  expect(await times(events, 2)).toEqual([2, 4]);
});

test("a subscriber that falls behind is told so, and holds nobody up", async () => {
  const bus = new MemoryEventBus();
  const slow = bus.subscribe(options());
  let seen = 0;
  for (let n = 1; n <= 2048; n++) {
    const quick = times(bus.subscribe(options()), 1);
    bus.publish(event(n));
    seen += (await quick).length;
  }
  const failure: unknown = await times(slow).catch((error: unknown) => error);
  expect(failure).toMatchObject({ category: "unavailable" });
  expect(seen).toBe(2048);
  expect(bus.subscribers).toBe(0);
});

test("a subscription ends without an error when it is aborted", async () => {
  const bus = new MemoryEventBus();
  const abort = new AbortController();
  const seen = times(bus.subscribe(options({ signal: abort.signal })));
  bus.publish(event(1));
  abort.abort();
  await seen;
  expect(bus.subscribers).toBe(0);
  expect(await times(bus.subscribe(options({ signal: abort.signal })))).toEqual([]);
});

test("leaving the loop ends the subscription", async () => {
  const bus = new MemoryEventBus();
  const events = bus.subscribe(options());
  expect(bus.subscribers).toBe(1);
  bus.publish(event(1));
  await times(events, 1);
  expect(bus.subscribers).toBe(0);
});
