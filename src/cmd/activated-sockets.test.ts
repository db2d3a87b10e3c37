import { expect, test } from "bun:test";
import { activatedFor, takeActivated } from "./activated-sockets.ts";

test("sockets that are meant for another process, or none, are not ours; no child sees the variables", () => {
  const environment: NodeJS.ProcessEnv = { LISTEN_FDS: "1", LISTEN_PID: "1", LISTEN_FDNAMES: "x", HOME: "/" };
  expect(takeActivated(environment, 2)).toEqual([]);
  expect(environment).toEqual({ HOME: "/" });
  expect(takeActivated({}, 2)).toEqual([]);
});

test("a count that is none, and descriptors that are not open, are refused", () => {
  for (const LISTEN_FDS of ["x", "-1", "1000", "65"])
    expect(() => takeActivated({ LISTEN_FDS, LISTEN_PID: "2" }, 2)).toThrow(`LISTEN_FDS is "${LISTEN_FDS}"`);
  expect(() => takeActivated({ LISTEN_FDS: "64", LISTEN_PID: "2" }, 2)).toThrow("is not open");
});

test("an address means all of them or one", () => {
  expect(activatedFor(undefined, [3, 4])).toEqual([3, 4]);
  expect(activatedFor(4, [3, 4])).toEqual([4]);
  expect(() => activatedFor(5, [3, 4])).toThrow("too few socket activated files passed in by systemd");
  expect(() => activatedFor(undefined, [])).toThrow("no sockets found via socket activation");
});
