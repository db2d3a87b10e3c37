import { expect, test } from "bun:test";
import { exampleUse } from "../../linux/testing/example-use.ts";
import { SharedStats } from "./shared-stats.ts";
import type { Reading, Sample, Subject } from "./stats.ts";

const MS = 1_000_000n;

/** A container whose processor time is how often it was measured, in milliseconds. */
class Measured implements Subject {
  readonly id: string;
  run: object | undefined = {};
  count = 0;
  failure: Error | undefined;

  constructor(id = "c1") {
    this.id = id;
  }

  measure(): Promise<Sample | undefined> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.count++;
    if (this.run === undefined) return Promise.resolve(undefined);
    const n = BigInt(this.count);
    return Promise.resolve({
      takenNs: n * MS,
      use: exampleUse(n),
      system: { totalNs: 1_000_000_000_000n, online: 2 },
      links: new Map(),
    });
  }
}

const stats = (times: Partial<ConstructorParameters<typeof SharedStats>[0]> = {}): SharedStats =>
  new SharedStats({ intervalMs: 20, spanMs: 15, keptMs: 10_000, ...times });

const used = ({ now, before }: Reading): unknown[] => [now?.use.cpu.usage.total, before?.use.cpu.usage.total];

test("compare() takes two samples for the first look, and one for the next", async () => {
  const [shared, subject] = [stats(), new Measured()];
  const startedMs = performance.now();
  expect(used(await shared.compare(subject))).toEqual([2n, 1n]);
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(14);
  expect(used(await shared.compare(subject))).toEqual([3n, 2n]);
  expect(subject.count).toBe(3);
});

test("compare() tells what the clock says has gone by for all processors", async () => {
  const { now, before } = await stats().compare(new Measured());
  const passedNs = Number((now?.system.totalNs ?? 0n) - (before?.system.totalNs ?? 0n));
  expect(passedNs).toBeGreaterThanOrEqual(2 * 14e6);
  expect(passedNs).toBeLessThan(2 * 2000e6);
});

test("compare() forgets what is too old", async () => {
  const [shared, subject] = [stats({ keptMs: 0 }), new Measured()];
  await shared.compare(subject);
  expect(used(await shared.compare(subject))).toEqual([4n, 3n]);
});

test("compare() does not mix up two runs of a container", async () => {
  const [shared, subject] = [stats(), new Measured()];
  await shared.compare(subject);
  subject.run = {};
  expect(used(await shared.compare(subject))).toEqual([4n, 3n]);
});

test("compare() measures once for all who ask at the same time", async () => {
  const [shared, subject] = [stats(), new Measured()];
  const readings = await Promise.all([shared.compare(subject), shared.compare(subject)]);
  expect(readings.map(used)).toEqual([
    [2n, 1n],
    [2n, 1n],
  ]);
});

test("compare() has nothing to say of what does not run", async () => {
  const subject = new Measured();
  subject.run = undefined;
  expect(await stats().compare(subject)).toEqual({ now: undefined, before: undefined });
  expect(subject.count).toBe(0);
});

async function take(readings: AsyncIterable<Reading>, count: number): Promise<unknown[][]> {
  const taken: unknown[][] = [];
  for await (const reading of readings) if (taken.push(used(reading)) === count) break;
  return taken;
}

test("follow() begins at once and compares each reading with the one before", async () => {
  const [shared, subject] = [stats(), new Measured()];
  expect(await take(shared.follow(subject, new AbortController().signal), 3)).toEqual([
    [1n, undefined],
    [2n, 1n],
    [3n, 2n],
  ]);
});

test("follow() shows everybody the same samples, and measures nothing when nobody is left", async () => {
  const [shared, subject] = [stats(), new Measured()];
  const { signal } = new AbortController();
  const [one, other] = await Promise.all([
    take(shared.follow(subject, signal), 3),
    take(shared.follow(subject, signal), 3),
  ]);
  expect(one).toEqual(other);
  expect(subject.count).toBe(3);
  await Bun.sleep(50);
  expect(subject.count).toBe(3);
  expect(shared.watched).toBe(0);
});

test("follow() shows who comes later what there is", async () => {
  const [shared, subject] = [stats({ intervalMs: 100_000 }), new Measured()];
  const stop = new AbortController();
  const early = shared.follow(subject, stop.signal);
  await early.next();
  expect(await take(shared.follow(subject, stop.signal), 1)).toEqual([[1n, undefined]]);
  stop.abort();
  expect((await early.next()).done).toBe(true);
});

test("follow() shows who is slow the newest, and compares with what he has seen", async () => {
  const [shared, subject] = [stats({ intervalMs: 1 }), new Measured()];
  const slow = shared.follow(subject, new AbortController().signal);
  await slow.next();
  while (subject.count < 5) await Bun.sleep(1);
  const { value } = await slow.next();
  expect(value?.before?.use.cpu.usage.total).toBe(1n);
  expect(value?.now?.use.cpu.usage.total).toBeGreaterThanOrEqual(4n);
  await slow.return();
});

test("follow() goes on while nothing runs, and compares nothing across runs", async () => {
  const [shared, subject] = [stats(), new Measured()];
  const readings = shared.follow(subject, new AbortController().signal);
  await readings.next();
  subject.run = undefined;
  expect((await readings.next()).value).toEqual({ now: undefined, before: undefined });
  subject.run = {};
  const { value } = await readings.next();
  expect([value?.now === undefined, value?.before]).toEqual([false, undefined]);
  await readings.return();
});

test("follow() ends when it is told to, also while it waits", async () => {
  const [shared, subject] = [stats({ intervalMs: 100_000 }), new Measured()];
  const stop = new AbortController();
  const readings = shared.follow(subject, stop.signal);
  await readings.next();
  const waiting = readings.next();
  stop.abort();
  expect((await waiting).done).toBe(true);
  await Bun.sleep(0);
  expect(shared.watched).toBe(0);
});

test("follow() tells everybody why measuring failed, and begins anew for the next", async () => {
  const [shared, subject] = [stats(), new Measured()];
  subject.failure = new Error("no such file");
  const { signal } = new AbortController();
  const failures = await Promise.all(
    [shared.follow(subject, signal), shared.follow(subject, signal)].map((readings) =>
      readings.next().then(String, (error: Error) => error.message),
    ),
  );
  expect(failures).toEqual(["no such file", "no such file"]);
  subject.failure = undefined;
  expect(await take(shared.follow(subject, signal), 1)).toEqual([[1n, undefined]]);
});
