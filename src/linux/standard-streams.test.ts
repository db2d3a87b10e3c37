import { expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { foreignStreams, mountIds, mountOf } from "./standard-streams.ts";

test("mountOf() reads fdinfo", () => {
  expect(mountOf("pos:\t0\nflags:\t0100000\nmnt_id:\t24\nino:\t3\n")).toBe(24);
  expect(mountOf("pos:\t0\n")).toBeUndefined();
});

test("mountIds() reads the first fields", () => {
  expect(mountIds("204 178 254:0 / / rw - ext4 a rw\n17 204 0:50 / /proc rw - proc proc rw\n")).toEqual(
    new Set([204, 17]),
  );
});

test("foreignStreams() names pipes; a file on a mount of the process's own is none", async () => {
  const file = openSync("/", "r");
  const child = spawn("sleep", ["100"], { stdio: [file, "pipe", "ignore"] });
  closeSync(file);
  await once(child, "spawn");
  const [first, second] = foreignStreams(child.pid ?? 0);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(first).toBe("");
  expect(second).toMatch(/^(pipe:\[\d+\]|)$/);
});
