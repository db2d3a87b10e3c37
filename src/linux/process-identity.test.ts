import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { isRunning, killProcess, processesRunning, readStartTicks, signalIf } from "./process-identity.ts";

/** Pidfds that only take notes. */
function notes(): { readonly acts: string[]; readonly pidfds: Parameters<typeof signalIf>[0] } {
  const acts: string[] = [];
  return {
    acts,
    pidfds: {
      pidfdOpen: (pid) => {
        acts.push(`open ${pid}`);
        return 77;
      },
      pidfdSignal: (pidfd, signal) => acts.push(`signal ${pidfd} ${signal}`),
      closeFd: (fd) => acts.push(`close ${fd}`),
    },
  };
}

function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}

const own = readFileSync("/proc/self/cmdline", "latin1").split("\0").slice(0, -1);

test("readStartTicks() reads field 22 of a process, and nothing of none", () => {
  const fields = readFileSync("/proc/self/stat", "latin1")
    .replace(/\(.*\)/s, "name")
    .split(" ");
  expect(String(readStartTicks(process.pid))).toBe(fields[21] ?? "");
  expect(readStartTicks(5_000_000)).toBeUndefined();
});

test("killProcess() signals the process that began then", () => {
  const { acts, pidfds } = notes();
  const startTicks = readStartTicks(process.pid) ?? 0n;
  expect(killProcess(pidfds, { pid: process.pid, startTicks })).toBe(true);
  expect(acts).toEqual([`open ${process.pid}`, "signal 77 9", "close 77"]);
});

test("killProcess() leaves one alone that has only got the number", () => {
  const { acts, pidfds } = notes();
  expect(killProcess(pidfds, { pid: process.pid, startTicks: 1n })).toBe(false);
  expect(acts).toEqual([`open ${process.pid}`, "close 77"]);
});

test("signalIf() takes a process that is gone for done, at any step", () => {
  const gone = (): never => {
    throw errno("ESRCH");
  };
  expect(signalIf({ ...notes().pidfds, pidfdOpen: gone }, 9, 9, () => true)).toBe(false);
  expect(signalIf({ ...notes().pidfds, pidfdSignal: gone }, 9, 9, () => true)).toBe(false);
});

test("signalIf() throws what is no sign of an end, and closes", () => {
  const { acts, pidfds } = notes();
  const refuse = (): never => {
    throw errno("EPERM");
  };
  expect(() => signalIf({ ...pidfds, pidfdSignal: refuse }, 9, 9, () => true)).toThrow("EPERM");
  expect(acts).toEqual(["open 9", "close 77"]);
});

test("processesRunning() finds processes by their whole argument list", () => {
  expect(processesRunning(own)).toContain(process.pid);
  expect(processesRunning([...own, "more"])).not.toContain(process.pid);
  expect(isRunning(process.pid, own.slice(0, -1))).toBe(false);
});
