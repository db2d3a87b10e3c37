import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../test/support/until.ts";
import { RESIDENT_LOG, removeStartMark, startResident } from "./start-resident.ts";

let directory: string;
let program: string;
let socket: string;
const zone = process.env["TZ"];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "gantry-start-"));
  program = join(directory, "stand-in");
  writeFileSync(
    program,
    `#!/bin/sh\necho "a word"\necho "$# $1 $(pwd)" >>"${join(directory, "starts")}"\nenv >"${join(directory, "environment")}"\n`,
    { mode: 0o755 },
  );
  socket = join(directory, "below", "sock");
});

afterEach(() => {
  delete process.env["GANTRY_SECRET"];
  if (zone === undefined) delete process.env["TZ"];
  else process.env["TZ"] = zone;
  rmSync(directory, { recursive: true });
});

/** What was started so far, a line each. Whoever was started has the log open before startResident() is done. */
async function starts(): Promise<string[]> {
  await until("all that were started to end", () => !readdirSync("/proc").some(writesHere));
  return existsSync(join(directory, "starts"))
    ? readFileSync(join(directory, "starts"), "utf8").trimEnd().split("\n")
    : [];
}

function writesHere(pid: string): boolean {
  if (!/^\d+$/.test(pid)) return false;
  try {
    return readlinkSync(`/proc/${pid}/fd/1`).startsWith(directory);
  } catch {
    return false; // It has ended meanwhile.
  }
}

const mark = (): string => `${socket}.starting`;

function markOfAge(seconds: number): void {
  mkdirSync(join(directory, "below"));
  writeFileSync(mark(), "");
  const then = Date.now() / 1000 - seconds;
  utimesSync(mark(), then, then);
}

describe("startResident()", () => {
  test("starts one for a socket, in a directory for its user alone", async () => {
    await startResident(program, socket);
    expect(await starts()).toEqual([`1 ${socket} /`]);
    expect(statSync(join(directory, "below")).mode & 0o777).toBe(0o700);
    expect(readFileSync(socket + RESIDENT_LOG, "utf8")).toBe("a word\n");
  });

  test("twice in a row starts one", async () => {
    await Promise.all([startResident(program, socket), startResident(program, socket)]);
    expect(await starts()).toHaveLength(1);
    await startResident(program, socket);
    expect(await starts()).toHaveLength(1);
  });

  test("leaves a start that is under way alone", async () => {
    markOfAge(0);
    await startResident(program, socket);
    expect(await starts()).toEqual([]);
  });

  // Of the future: the clock was set back since.
  test.each([3, 86_400, -86_400])("takes a mark that is %d seconds old for a killed start's", async (age) => {
    markOfAge(age);
    await startResident(program, socket);
    expect(await starts()).toHaveLength(1);
    expect(Math.abs(Date.now() - statSync(mark()).mtimeMs)).toBeLessThan(3600_000);
    await startResident(program, socket);
    expect(await starts()).toHaveLength(1);
  });

  test("starts the next when the mark is removed", async () => {
    await startResident(program, socket);
    expect(await starts()).toHaveLength(1);
    removeStartMark(socket);
    expect(existsSync(mark())).toBe(false);
    await startResident(program, socket);
    expect(await starts()).toHaveLength(2);
  });

  test("starts none beside one that listens, and is ready to start the next", async () => {
    mkdirSync(join(directory, "below"));
    const server = createServer().listen(socket);
    await once(server, "listening");
    await startResident(program, socket);
    expect(await starts()).toEqual([]);
    server.close();
    rmSync(socket, { force: true });
    await startResident(program, socket);
    expect(await starts()).toHaveLength(1);
  });

  test("takes a socket at which nobody listens any more for none", async () => {
    mkdirSync(join(directory, "below"));
    const abandon = `import { listen } from "bun"; listen({ unix: process.argv[1], socket: { data() {} } }); process.kill(process.pid, "SIGKILL");`;
    spawnSync(process.execPath, ["-e", abandon, socket]);
    expect(statSync(socket).isSocket()).toBe(true);
    await startResident(program, socket);
    expect(await starts()).toHaveLength(1);
  });

  test("gives it nothing of our environment but the time zone", async () => {
    process.env["GANTRY_SECRET"] = "x";
    process.env["TZ"] = "Asia/Tokyo";
    await startResident(program, socket);
    await starts();
    const environment = readFileSync(join(directory, "environment"), "utf8").split("\n");
    expect(environment).toContain("TZ=Asia/Tokyo");
    expect(environment.filter((line) => /^(GANTRY_|HOME|PATH)/.test(line))).toEqual([]);
  });

  test("does without where there can be no directory", async () => {
    writeFileSync(join(directory, "file"), "");
    await startResident(program, join(directory, "file", "below", "sock"));
    expect(await starts()).toEqual([]);
  });

  test("does without where there is no program", async () => {
    await startResident(join(directory, "missing"), socket);
    expect(await starts()).toEqual([]);
  });
});

test("removeStartMark() needs none", () => {
  removeStartMark(socket);
  expect(existsSync(mark())).toBe(false);
});
