/** The campaign is worth what its checks are: each of them finds the harm that is done here on purpose. */
import { expect, test } from "bun:test";
import { both, ended, gone, image, is, limited, someCreated, volume } from "./container-claims.ts";
import type { ContainerFacts, Facts } from "./container-facts.ts";
import {
  type Blow,
  bystanderViolations,
  claimViolations,
  containerViolations,
  deathViolations,
  lifeViolations,
  probeViolations,
  sequenceViolation,
} from "./container-violations.ts";

const RUNNING: ContainerFacts = {
  id: "1",
  name: "victim",
  isVictim: true,
  status: "running",
  pid: 10,
  exitCode: 0,
  startError: "",
  startedMs: 100_000,
  finishedMs: 0,
  memory: 64 << 20,
  health: undefined,
  ticks: "7",
  shims: 1,
  processes: ["sleep"],
};
const EXITED: ContainerFacts = {
  ...RUNNING,
  status: "exited",
  pid: 0,
  exitCode: 5,
  finishedMs: 200_000,
  ticks: "",
  shims: 0,
  processes: [],
};
const NOTHING: Facts = { containers: [], unreadable: [], volumes: [], images: [], deaths: [] };
const BLOW: Blow = { form: "daemon", atMs: 199_000, backMs: 201_000 };

function facts(...containers: readonly ContainerFacts[]): Facts {
  return { ...NOTHING, containers };
}

test("containers that are as they should be", () => {
  expect(containerViolations(facts(RUNNING, EXITED, { ...EXITED, status: "created" }))).toEqual([]);
});

test.each([
  [{ ...RUNNING, ticks: "" }, "process 10 is not there"],
  [{ ...RUNNING, pid: 0 }, "process 0 is not there"],
  [{ ...RUNNING, shims: 2 }, "2 shims"],
  [{ ...RUNNING, shims: 0 }, "0 shims"],
  [{ ...RUNNING, processes: [] }, "nothing is in its cgroup"],
  [{ ...EXITED, pid: 3 }, "has the process 3"],
  [{ ...EXITED, shims: 1 }, "1 shims"],
  [{ ...EXITED, processes: ["sleep"] }, '"sleep"'],
  [{ ...EXITED, startedMs: 200_001 }, "started 1 ms after its end"],
  [{ ...EXITED, status: "removing" }, "stays removing"],
  [{ ...EXITED, status: "dead" }, "stays dead"],
] satisfies [ContainerFacts, string][])("a container that is not: %#", (container, words) => {
  const wrong = containerViolations(facts(container));
  expect(wrong).toHaveLength(1);
  expect(wrong[0]).toContain(words);
});

test("one that is listed and cannot be inspected", () => {
  expect(containerViolations({ ...NOTHING, unreadable: ["1: 500"] })).toHaveLength(1);
});

test("what a verb was to do: answered, cut off, or with a shim that is gone", () => {
  const stop = { before: is("running"), after: ended(5), between: [], runs: 1 };
  const wrong = (there: Facts, isDone: boolean, form: Blow["form"] = "daemon"): number =>
    claimViolations(there, stop, { isDone, form }).length;
  expect([wrong(facts(EXITED), true), wrong(facts(RUNNING), true), wrong(NOTHING, true)]).toEqual([0, 1, 1]);
  expect([wrong(facts(EXITED), false), wrong(facts(RUNNING), false), wrong(NOTHING, false)]).toEqual([
    0, 0, 1,
  ]);
  const killed = { ...EXITED, exitCode: 137 };
  expect([wrong(facts(killed), false), wrong(facts(killed), false, "shim")]).toEqual([1, 0]);
  expect(wrong(facts({ ...RUNNING, status: "paused" }), false, "shim")).toBe(1);
});

test("claims hold of what they say, and of nothing else", () => {
  const renamed = { ...RUNNING, name: "renamed" };
  const other = { ...RUNNING, isVictim: false };
  const holding = [
    gone,
    is("running"),
    is("running", "renamed"),
    ended(5),
    limited(64),
    someCreated,
    volume("data", true),
    volume("data", false),
    both(is("running"), image("a:1")),
  ];
  const claims = (there: Facts): string => holding.map(({ holds }) => (holds(there) ? "1" : "0")).join("");
  expect(claims(NOTHING)).toBe("100001010");
  expect(claims(facts(other))).toBe("100001010");
  expect(claims(facts(RUNNING))).toBe("010010010");
  expect(claims(facts(renamed))).toBe("001000010");
  expect(claims(facts(EXITED))).toBe("000100010");
  expect(claims(facts(RUNNING, EXITED))).toBe("000000010");
  expect(claims({ ...facts(RUNNING), volumes: ["data"], images: ["a:1"] })).toBe("010010101");
});

test("deaths are told once, with the right code", () => {
  const death = { id: "1", exitCode: "5" };
  const wrong = (
    deaths: Facts["deaths"],
    blow: Blow = BLOW,
    runs: number | undefined = 1,
  ): readonly string[] => deathViolations({ ...facts(EXITED), deaths }, runs, blow, new Map());
  expect(wrong([death])).toEqual([]);
  expect(wrong([death, death])[0]).toContain("2 deaths were told");
  expect(wrong([death, death], BLOW, 2)).toEqual([]);
  expect(wrong([{ ...death, exitCode: "9" }])[0]).toContain("told with 9");
  expect(wrong([])[0]).toContain("no death was told of victim, which ended 1000 ms after the blow");
});

test("what a daemon tells in its last moments may be lost with it, and nothing else", () => {
  const untold = (finishedMs: number, form: Blow["form"]): number =>
    deathViolations(facts({ ...EXITED, finishedMs }), 1, { ...BLOW, form }, new Map()).length;
  expect([untold(198_990, "daemon"), untold(150_000, "daemon"), untold(200_000, "daemon")]).toEqual([
    0, 1, 1,
  ]);
  expect([untold(198_990, "shim"), untold(198_990, "pause")]).toEqual([1, 1]);
  expect([untold(200_000, "twice"), untold(202_000, "twice")]).toEqual([0, 1]);
});

test("of one that ended while no daemon was there it is told, also when it is gone", () => {
  const unseen = new Map([["1", 7]]);
  const wrong = (deaths: Facts["deaths"], form: Blow["form"] = "daemon"): number =>
    deathViolations({ ...NOTHING, deaths }, 1, { ...BLOW, form }, unseen).length;
  expect(wrong([{ id: "1", exitCode: "7" }])).toBe(0);
  expect(wrong([{ id: "1", exitCode: "0" }])).toBe(1);
  expect([wrong([]), wrong([], "twice")]).toEqual([1, 0]);
});

test("bystanders have the same process, started at the same time", () => {
  const before = { name: "victim", pid: 10, ticks: "7", startedMs: 100_000 };
  expect(bystanderViolations(facts(RUNNING), [before])).toEqual([]);
  for (const there of [
    NOTHING,
    facts(EXITED),
    facts({ ...RUNNING, pid: 11 }),
    facts({ ...RUNNING, ticks: "8" }),
    facts({ ...RUNNING, startedMs: 100_001 }),
  ])
    expect(bystanderViolations(there, [before])).toHaveLength(1);
});

test("checks go on one at a time, and who ends is started again", () => {
  const names = { healthy: "h", hanging: "x", reviving: "r" };
  const healthy = { ...RUNNING, name: "h", health: { status: "healthy", probedMs: 300 } };
  const hanging = { ...RUNNING, name: "x", processes: ["main", "probe"] };
  const reviving = { ...EXITED, name: "r", status: "restarting", startedMs: 300, finishedMs: 400 };
  const wrong = (...there: readonly ContainerFacts[]): number =>
    lifeViolations(facts(...there), names, 200).length;
  expect(wrong(healthy, hanging, reviving)).toBe(0);
  expect(wrong({ ...healthy, health: { status: "healthy", probedMs: 100 } }, hanging, reviving)).toBe(1);
  expect(wrong({ ...healthy, health: { status: "unhealthy", probedMs: 300 } }, hanging, reviving)).toBe(1);
  expect(wrong(healthy, { ...hanging, processes: ["main", "probe", "probe"] }, reviving)).toBe(1);
  expect(wrong(healthy, hanging, { ...reviving, startedMs: 100 })).toBe(1);
  expect(wrong(healthy, hanging, { ...reviving, status: "exited" })).toBe(1);
  expect(wrong(healthy, hanging, { ...reviving, status: "running", shims: 2 })).toBe(1);
});

test("a log has every line once, in order", () => {
  expect(sequenceViolation("w", ["3", "4"], 3)).toBeUndefined();
  for (const lines of [["4"], ["3", "3"], ["3", "5"], ["3", ""]])
    expect(sequenceViolation("w", lines, 3)).toBeDefined();
});

test("one failed probe is allowed while no daemon is there, none afterwards", () => {
  const at = (atMs: number) => ({ port: 1, atMs, why: "refused" });
  expect(probeViolations([], BLOW)).toEqual([]);
  expect(probeViolations([at(200_000)], BLOW)).toEqual([]);
  expect(probeViolations([at(200_000), at(200_100)], BLOW)).toHaveLength(2);
  expect(probeViolations([at(201_500)], BLOW)).toHaveLength(1);
});
