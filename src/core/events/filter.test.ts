import { expect, test } from "bun:test";
import type { EventMessage } from "../../specs/engine/system.ts";
import type { EventFilters } from "./events.ts";
import { matches } from "./filter.ts";

const START: EventMessage = {
  Type: "container",
  Action: "start",
  Actor: {
    ID: "8f3a11c0",
    Attributes: { name: "web", image: "docker.io/library/nginx:1.2", "com.example": "yes", __proto__x: "1" },
  },
  scope: "local",
  time: 1,
  timeNano: 1_000_000_000n,
};

function filters(...pairs: readonly (readonly [string, ...string[]])[]): EventFilters {
  return new Map(pairs.map(([key, ...values]) => [key, new Set(values)]));
}

function event(change: Partial<EventMessage>): EventMessage {
  return { ...START, ...change };
}

test("no filter lets everything through", () => {
  expect(matches(filters(), START)).toBe(true);
});

test("values of one filter are alternatives, filters are not", () => {
  expect(matches(filters(["event", "stop", "start"]), START)).toBe(true);
  expect(matches(filters(["event", "start"], ["type", "image"]), START)).toBe(false);
});

test("container matches the beginning of id or name", () => {
  for (const value of ["8f3a", "8f3a11c0", "web", "we"])
    expect(matches(filters(["container", value]), START)).toBe(true);
  for (const value of ["f3a1", "eb", "website"])
    expect(matches(filters(["container", value]), START)).toBe(false);
});

test("a name filter of another type lets an event through only if its actor has that name", () => {
  expect(matches(filters(["network", "bridge"]), START)).toBe(false);
  expect(matches(filters(["volume", "web"]), START)).toBe(true);
});

test("image matches what the container was made from, with and without tag", () => {
  for (const value of ["docker.io/library/nginx:1.2", "nginx"])
    expect(matches(filters(["image", value]), START)).toBe(true);
  for (const value of ["nginx:1.2", "ngin", "1.2"])
    expect(matches(filters(["image", value]), START)).toBe(false);
});

test("image matches an image event by id and by name", () => {
  const pull = event({
    Type: "image",
    Action: "pull",
    Actor: { ID: "localhost:5000/a/b:t", Attributes: { name: "localhost:5000/a/b", image: "other" } },
  });
  expect(matches(filters(["image", "localhost:5000/a/b:t"]), pull)).toBe(true);
  expect(matches(filters(["image", "localhost:5000/a/b"]), pull)).toBe(true);
  expect(matches(filters(["image", "other"]), pull)).toBe(false);
});

test("labels must all hold, with or without a value", () => {
  expect(matches(filters(["label", "com.example"]), START)).toBe(true);
  expect(matches(filters(["label", "com.example=yes", "name=web"]), START)).toBe(true);
  expect(matches(filters(["label", "com.example=yes", "other"]), START)).toBe(false);
  expect(matches(filters(["label", "com.example=no"]), START)).toBe(false);
  expect(matches(filters(["label", "toString"]), START)).toBe(false);
});

test("actions with a detail can be asked for without it", () => {
  const health = event({ Action: "health_status: healthy" });
  expect(matches(filters(["event", "health_status"]), health)).toBe(true);
  expect(matches(filters(["event", "health_status: healthy"]), health)).toBe(true);
  expect(matches(filters(["event", "health"]), health)).toBe(false);
  expect(matches(filters(["event", "exec_create"]), event({ Action: "exec_create: sh -c ls" }))).toBe(true);
});

test("scope is compared as a whole", () => {
  expect(matches(filters(["scope", "local"]), START)).toBe(true);
  expect(matches(filters(["scope", "loc"]), START)).toBe(false);
});
