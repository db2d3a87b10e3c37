import { expect, test } from "bun:test";
import { chooseRuntimes, isRuntime, programOf, runtimeTable } from "./runtimes.ts";

const CRUN = { path: "/usr/bin/crun", args: [] };
const RUNC = { path: "/usr/sbin/runc", args: ["--debug"] };

test("Docker's names mean the built-in runtime", () => {
  const runtimes = chooseRuntimes(new Map([["crun", CRUN]]), "");
  expect(
    ["", "gantry-runc", "runc", "io.containerd.runc.v2"].map((name) => programOf(runtimes, name)),
  ).toEqual([undefined, undefined, undefined, undefined]);
  expect(programOf(runtimes, "crun")).toBe(CRUN);
  expect(isRuntime(runtimes, "other")).toBe(false);
  expect(() => programOf(runtimes, "other")).toThrow("unknown or invalid runtime name: other");
});

test("the configuration may say what runc is, and which one is the default", () => {
  const runtimes = chooseRuntimes(new Map([["runc", RUNC]]), "runc");
  expect(programOf(runtimes, "")).toBe(RUNC);
  expect(programOf(runtimes, "runc")).toBe(RUNC);
  expect(programOf(runtimes, "gantry-runc")).toBeUndefined();
  expect(runtimeTable(runtimes)).toMatchObject({
    "gantry-runc": { path: "gantry-runc" },
    runc: { path: "/usr/sbin/runc", runtimeArgs: ["--debug"] },
  });
});

test("a default that is not there and a second built-in runtime are refused", () => {
  expect(() => chooseRuntimes(new Map(), "crun")).toThrow("specified default runtime 'crun' does not exist");
  expect(() => chooseRuntimes(new Map([["gantry-runc", CRUN]]), "")).toThrow('"gantry-runc" is reserved');
});
