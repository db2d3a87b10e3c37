/** A port is anybody's as soon as its container has ended, however little time the program that served it gets for its own end. */
import { type ChildProcess, spawn } from "node:child_process";
import { expect, test } from "bun:test";
import { engineSuite } from "../../support/suite.ts";

/** More than there are processors. */
const BUSY = 4;
const ROUNDS = 25;
const PUBLISHED = ["run", "-d", "-p", "18500:80"];

engineSuite("published ports on a busy host", {}, (engine) => {
  const ok = (...args: string[]): Promise<string> => engine().ok(args);

  async function whileBusy(work: () => Promise<void>): Promise<void> {
    const busy: ChildProcess[] = [];
    try {
      for (let n = 0; n < BUSY; n++)
        busy.push(spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" }));
      await work();
    } finally {
      for (const child of busy) child.kill("SIGKILL");
    }
  }

  test("a restart takes them again", async () => {
    await ok(...PUBLISHED, "--name", "web", "busybox", "sleep", "1000");
    const statuses = new Map<number, number>();
    await whileBusy(async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const { status } = await engine().api("POST", "/containers/web/restart?t=0");
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status !== 204) await engine().api("POST", "/containers/web/start");
      }
    });
    expect([...statuses]).toEqual([[204, ROUNDS]]);
    await ok("rm", "-f", "web");
  });

  test("the next container has them when the one before is gone", async () => {
    let last = await ok(...PUBLISHED, "busybox", "sleep", "1000");
    await whileBusy(async () => {
      for (let round = 0; round < ROUNDS; round++) {
        await ok("rm", "-f", last);
        last = await ok(...PUBLISHED, "busybox", "sleep", "1000");
      }
    });
    await ok("rm", "-f", last);
  });
});
