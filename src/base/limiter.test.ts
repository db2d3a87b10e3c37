import { expect, test } from "bun:test";
import { Limiter } from "./limiter.ts";
import { rejection } from "./testing/rejection.ts";

test("never more than the limit run, and in order", async () => {
  const limiter = new Limiter(2);
  const started: number[] = [];
  const gates = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
  const runs = gates.map((gate, index) =>
    limiter.run(async () => {
      started.push(index);
      await gate.promise;
    }),
  );
  expect(started).toEqual([0, 1]);
  gates[1]?.resolve();
  await runs[1];
  expect(started).toEqual([0, 1, 2]);
  for (const gate of gates) gate.resolve();
  await Promise.all(runs);
  expect(started).toEqual([0, 1, 2, 3]);
});

test("a failure frees its place and reaches the caller", async () => {
  const limiter = new Limiter(1);
  const failing = limiter.run(() => Promise.reject(new Error("no")));
  const next = limiter.run(() => Promise.resolve("yes"));
  expect((await rejection(failing)).message).toBe("no");
  expect(await next).toBe("yes");
});

test("a wait for a place ends with its signal, and the place goes to the next", async () => {
  const limiter = new Limiter(1);
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const done: string[] = [];
  const work = (name: string) => async (): Promise<void> => void done.push(name);
  const first = limiter.run(async () => await gate);
  const controller = new AbortController();
  const second = limiter.run(work("second"), controller.signal);
  const third = limiter.run(work("third"));
  controller.abort(new Error("gone"));
  expect((await rejection(second)).message).toBe("gone");
  open();
  await Promise.all([first, third]);
  expect(done).toEqual(["third"]);
  expect(limiter.isFull).toBe(false);
});

test("a limit that has grown is used as soon as somebody ends", async () => {
  let limit = 1;
  const limiter = new Limiter(() => limit);
  const { promise: first, resolve: endFirst } = Promise.withResolvers<void>();
  const { promise: others, resolve: endOthers } = Promise.withResolvers<void>();
  let running = 0;
  const work = async (until: Promise<void>): Promise<void> => {
    running++;
    await until;
    running--;
  };
  const all = [first, others, others, others].map((until) => limiter.run(() => work(until)));
  expect(running).toBe(1);
  limit = 2;
  endFirst();
  await all[0];
  await Promise.resolve();
  expect(running).toBe(2);
  endOthers();
  await Promise.all(all);
});
