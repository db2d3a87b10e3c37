import { expect, test } from "bun:test";
import { Alarms } from "./alarms.ts";
import { FakeClock } from "./testing/fake-clock.ts";

test("alarms ring in the order of their times, all on one timer", async () => {
  const clock = new FakeClock();
  const alarms = new Alarms(clock);
  const rung: number[] = [];
  const times = Array.from({ length: 200 }, (_, index) => (index * 7919) % 1000);
  for (const ms of times) alarms.in(ms, () => rung.push(ms));
  expect(clock.timers).toBe(1);
  await clock.pass(500);
  expect(rung).toEqual(times.filter((ms) => ms <= 500).sort((a, b) => a - b));
  await clock.pass(500);
  expect(rung).toEqual([...times].sort((a, b) => a - b));
  expect([alarms.size, clock.timers]).toEqual([0, 0]);
});

test("one that was taken back does not ring, and is not kept", async () => {
  const clock = new FakeClock();
  const alarms = new Alarms(clock);
  const rung: string[] = [];
  const early = alarms.in(10, () => rung.push("early"));
  alarms.in(20, () => rung.push("late"));
  early();
  early();
  expect(alarms.size).toBe(1);
  for (let i = 0; i < 1000; i++) alarms.in(1_000_000, () => rung.push("never"))();
  expect(alarms.size).toBe(1);
  await clock.pass(100);
  early();
  expect(rung).toEqual(["late"]);
  expect(alarms.size).toBe(0);
});

test("an alarm may set others, and one that throws does not stop the others", async () => {
  const clock = new FakeClock();
  const alarms = new Alarms(clock);
  const rung: string[] = [];
  alarms.in(10, () => alarms.in(0, () => rung.push("next")));
  alarms.in(20, () => {
    throw new Error("this one fails");
  });
  alarms.in(20, () => rung.push("last"));
  await clock.pass(15);
  expect(rung).toEqual(["next"]);
  expect(await clock.pass(10).then(String, String)).toContain("this one fails");
  await clock.pass(0);
  expect(rung).toEqual(["next", "last"]);
});

test("within() gives up waiting, and waits no longer than it has to", async () => {
  const clock = new FakeClock();
  const alarms = new Alarms(clock);
  expect(await alarms.within(50, Promise.resolve("done"))).toBe("done");
  expect(alarms.size).toBe(0);
  const late = alarms.within(50, new Promise<string>(() => {}));
  await clock.pass(50);
  expect(await late).toBeUndefined();
});

test("clear() silences all", async () => {
  const clock = new FakeClock();
  const alarms = new Alarms(clock);
  alarms.in(10, () => {
    throw new Error("rang");
  });
  alarms.clear();
  await clock.pass(100);
  expect([alarms.size, clock.timers]).toEqual([0, 0]);
});
