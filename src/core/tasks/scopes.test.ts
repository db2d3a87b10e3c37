import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fail, messageOf } from "../../base/errors.ts";
import { placeOf, withCgroupPath } from "./scopes.ts";
import { SHIM_PID, SPEC, TaskWorld, runOptions } from "./testing/task-world.ts";

const NEVER = new AbortController().signal;
const SCOPED = { ...SPEC, linux: { cgroupsPath: "a.slice:gantry:c1" } };
const UNIT = "gantry-c1.scope";
// As the fake planner calls it.
const DIR = "/cga.slice:gantry:c1";

let world: TaskWorld;

beforeEach(() => {
  world = new TaskWorld();
});

afterEach(() => {
  world[Symbol.dispose]();
});

function failureOfRun(): Promise<string> {
  return world
    .manager()
    .run(runOptions("c1", { spec: SCOPED }), NEVER)
    .then(
      () => "it did not fail",
      (error: unknown) => messageOf(error),
    );
}

test("the notation tells who makes the cgroup, and the path it stands for", () => {
  expect(placeOf(SCOPED, "c1")).toEqual({
    path: `/a.slice/${UNIT}`,
    scope: { unit: UNIT, slice: "a.slice" },
  });
  expect(withCgroupPath(SCOPED, "c1").linux?.cgroupsPath).toBe(`/a.slice/${UNIT}`);
  expect(placeOf(SPEC, "c1")).toEqual({ path: "/test/c1" });
});

test("the shim is in the scope before it is told what to make, and whoever finds it knows the unit", async () => {
  const seen: unknown[] = [];
  world.onScope = () =>
    seen.push([
      world.shim("c1").requests.map(({ kind }) => kind),
      existsSync(join(world.directory("c1"), "config.json")),
    ]);
  const task = await world.manager().run(runOptions("c1", { spec: SCOPED }), NEVER);
  await task.limit({ pids: { limit: 9n } });
  expect(seen).toEqual([[[], true]]);
  expect(world.acts).toEqual([`start scope of c1 with ${SHIM_PID}`, `limit ${UNIT} and ${DIR} to 9`]);
});

test("a start that fails ends the scope, whether the shim has refused or systemd", async () => {
  const ending = [`empty ${DIR}`, `stop ${UNIT}`, `clear ${DIR}`];
  world.onSpawn = (shim) => shim.refusals.set("create", { errno: 11, op: 0, text: "cannot clone" });
  expect(await failureOfRun()).toContain("cannot clone");
  expect(world.acts).toEqual([`start scope of c1 with ${SHIM_PID}`, ...ending]);
  world.acts.length = 0;
  world.onScope = () => {
    throw fail("unavailable", "systemd is away");
  };
  expect(await failureOfRun()).toContain("is away");
  expect(world.acts).toEqual(["kill shim c1", ...ending]);
  expect(existsSync(world.directory("c1"))).toBe(false);
});

test("what is left of a scope is emptied and stopped, and cleared away even when systemd does not answer", async () => {
  await world.leftover("c1", { spec: SCOPED });
  await world.manager().reconnect([]);
  expect(world.acts).toEqual([`empty ${DIR}`, `stop ${UNIT}`, `clear ${DIR}`]);
  world.acts.length = 0;
  world.onStopScope = () => {
    throw fail("unavailable", "systemd is away");
  };
  await world.leftover("c1", { spec: SCOPED });
  await world.manager().reconnect([]);
  expect(world.acts).toEqual([`empty ${DIR}`, `clear ${DIR}`]);
});
