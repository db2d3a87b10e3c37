import { expect, test } from "bun:test";
import { isCategory } from "../../base/errors.ts";
import type { ContainerStatus } from "../../specs/engine/container.ts";
import { countsAsRunning, type LifeEvent, nextStatus } from "./state.ts";

const EVENTS: readonly LifeEvent[] = [
  "start",
  "exit",
  "backOff",
  "pause",
  "resume",
  "remove",
  "removeFailed",
];
const ALLOWED: readonly (readonly [ContainerStatus, LifeEvent, ContainerStatus])[] = [
  ["created", "start", "running"],
  ["created", "remove", "removing"],
  ["running", "exit", "exited"],
  ["running", "backOff", "restarting"],
  ["running", "pause", "paused"],
  ["paused", "exit", "exited"],
  ["paused", "backOff", "restarting"],
  ["paused", "resume", "running"],
  ["restarting", "start", "running"],
  ["restarting", "exit", "exited"],
  ["restarting", "backOff", "restarting"],
  ["exited", "start", "running"],
  ["exited", "remove", "removing"],
  ["removing", "removeFailed", "dead"],
  ["dead", "remove", "removing"],
];

test("nextStatus() allows these transitions and refuses all others as conflicts", () => {
  const statuses = [...new Set(ALLOWED.map(([from]) => from))];
  for (const from of statuses)
    for (const event of EVENTS) {
      const allowed = ALLOWED.find(([status, what]) => status === from && what === event);
      if (allowed !== undefined) expect(nextStatus(from, event)).toBe(allowed[2]);
      else {
        let error: unknown;
        try {
          nextStatus(from, event);
        } catch (thrown) {
          error = thrown;
        }
        expect([from, event, isCategory(error, "conflict")]).toEqual([from, event, true]);
      }
    }
});

test("countsAsRunning() holds for running, paused and restarting", () => {
  expect((["running", "paused", "restarting"] as const).every(countsAsRunning)).toBe(true);
  expect((["created", "exited", "removing", "dead"] as const).some(countsAsRunning)).toBe(false);
});
