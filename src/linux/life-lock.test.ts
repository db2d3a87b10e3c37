import { afterEach, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { lockForLife, pidIn } from "./life-lock.ts";

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

async function started(): Promise<ChildProcess> {
  const child = spawn("sleep", ["100"], { stdio: "ignore" });
  children.push(child);
  await once(child, "spawn");
  return child;
}

/** A lock that is had after so many looks. */
const lockedFor = (looks: number): { lockFile: () => number | undefined; readonly looks: () => number } => {
  let count = 0;
  return { lockFile: () => (count++ < looks ? undefined : 5), looks: () => count };
};

test("one that is free is had at once", async () => {
  expect(await lockForLife(lockedFor(0), "/lock", () => undefined)).toBe(true);
});

test("one whose holder lives, or that names none, is not waited for", async () => {
  const { pid } = await started();
  for (const holder of [pid, undefined]) {
    const lock = lockedFor(3);
    expect(await lockForLife(lock, "/lock", () => holder)).toBe(false);
    expect(lock.looks()).toBe(1);
  }
});

test("what a dead holder has left is waited for", async () => {
  const child = await started();
  child.kill("SIGKILL");
  await once(child, "exit");
  const lock = lockedFor(3);
  expect(await lockForLife(lock, "/lock", () => child.pid)).toBe(true);
  expect(lock.looks()).toBe(4);
});

test("a lock's file names its holder, or nobody", () => {
  expect(pidIn("23910\n")).toBe(23910);
  for (const text of [undefined, "", "\n", "0\n", "-5\n", "12 34\n", "99999999999\n"])
    expect(pidIn(text)).toBeUndefined();
});
