import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rejection } from "../../base/testing/rejection.ts";
import { claimHost, type HostClaim, whyTaken } from "./host-claim.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "claim-"));
  [one, two] = [claimOf("one"), claimOf("two")];
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

const claimOf = (engine: string): HostClaim => ({
  engine,
  pid: process.pid,
  dataRoot: `/data/${engine}`,
  execRoot: join(directory, engine),
});
let one: HostClaim;
let two: HostClaim;
const FREE = {
  lockFile: (path: string) => {
    writeFileSync(path, "", { flag: "a" }); // made, as the real one does
    return 5;
  },
};
const LOCKED = { lockFile: () => undefined };
const claims = (): string => join(directory, "claims");

test("who is refused, and why", () => {
  const free = { isLocked: false, hasTasks: true };
  expect(whyTaken(two, undefined, free)).toBeUndefined();
  expect(whyTaken(one, one, free)).toBeUndefined();
  // Its store was deleted: what is left of it is taken over.
  expect(whyTaken({ ...two, execRoot: one.execRoot }, one, free)).toBeUndefined();
  expect(whyTaken(two, one, { isLocked: false, hasTasks: false })).toBeUndefined();
  expect(whyTaken(two, one, free)).toContain('containers of the engine with the data root "/data/one" go on');
  expect(whyTaken(two, one, { isLocked: true, hasTasks: false })).toContain(`runs (process ${process.pid})`);
  expect(whyTaken(two, undefined, { isLocked: true, hasTasks: false })).toContain("process unknown");
});

/** What a shim is to be seen by: it works in its task's run directory. */
async function shim(claim: HostClaim): Promise<AsyncDisposable> {
  const cwd = join(claim.execRoot, "tasks", "c1");
  mkdirSync(cwd, { recursive: true });
  const child = spawn("sleep", ["100"], { cwd, stdio: "ignore" });
  const gone = once(child, "exit");
  await once(child, "spawn");
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await gone;
    },
  };
}

test("a host is had by one engine, and by the next when no container of the first goes on", async () => {
  await claimHost(FREE, one, claims());
  const [name = ""] = readdirSync(claims());
  expect(name).toMatch(/^net-\d+$/);
  expect((await rejection(claimHost(LOCKED, two, claims()))).message).toContain(
    'data root "/data/one", whose gantryd runs',
  );
  {
    await using _ = await shim(one);
    expect((await rejection(claimHost(FREE, two, claims()))).message).toContain("stop them with its gantryd");
    expect(readFileSync(join(claims(), name), "utf8")).toContain('"one"');
    await claimHost(FREE, one, claims());
  }
  // Its directories may be there yet, or be of a namespace that had the same number.
  await claimHost(FREE, two, claims());
  expect(readFileSync(join(claims(), name), "utf8")).toContain('"two"');
});

test("a claim that a kill has cut is none", async () => {
  await claimHost(FREE, one, claims());
  await using _ = await shim(one);
  const [name = ""] = readdirSync(claims());
  for (const text of ["", '{"engine":"on', "[]"]) {
    writeFileSync(join(claims(), name), text);
    await claimHost(FREE, two, claims());
  }
});
