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
