/** The product's gantry-shim with real namespaces: what the shim and the container's set-up do together, and two measurements. */
import { readFileSync, statSync } from "node:fs";
import { describe, expect, test } from "bun:test";
import {
  allOutput,
  decodeError,
  demultiplex,
  errnoName,
  execFields,
  flags,
  kinds,
  plan,
  realBinary as binary,
  sh,
  Shim,
  until,
} from "./shim_harness.ts";

const cloneNewPid = 0x20000000;
const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: namespaces need root");

describe.if(isRoot)("a container with its own process namespace", () => {
  const own = { namespaces: cloneNewPid };

  test("takes its children with it at once", async () => {
    await using shim = new Shim({ binary });
    const started = performance.now();
    const exit = await shim.run({
      logPath: shim.logPath,
      plan: plan(sh("sleep 100 & echo $$; exit 3"), own),
    });
    expect(exit).toMatchObject({ exitCode: 3, signal: 0, lostLogBytes: 0n });
    expect(performance.now() - started).toBeLessThan(1500);
    expect(shim.log().map((entry) => entry.log)).toEqual(["1\n"]);
  });

  test("waits between create and start", async () => {
    await using shim = new Shim({ binary });
    await shim.create({ flags: 0, logPath: shim.logPath, plan: plan(sh("echo ran"), own) });
    expect(statSync(shim.logPath).size).toBe(0);
    await shim.daemon.ok(kinds.start);
    await shim.exit();
    expect(shim.log().map((entry) => entry.log)).toEqual(["ran\n"]);
  });

  test("inherits no descriptor, no blocked and no ignored signal from the shim", async () => {
    await using shim = new Shim({ binary });
    const script =
      "ls /proc/self/fd | tr '\\n' ' '; grep -E '^Sig(Blk|Ign)' /proc/self/status | cut -f2 | tr '\\n' ' '";
    await shim.run({ logPath: shim.logPath, plan: plan(sh(script)) });
    expect(shim.log().map((entry) => entry.log)).toEqual(["0 1 2 3 0000000000000000 0000000000000000 "]);
  });

  test("tells which op of its plan failed", async () => {
    await using shim = new Shim({ binary });
    const reply = await shim.create({ plan: plan(["/no/such/program"], own) });
    const error = decodeError(reply);
    expect([errnoName(error.errno), error.op]).toEqual(["ENOENT", 2]);
    expect(await shim.ended).toBe(0);
  });

  test("that is killed between create and start has ended by signal 9", async () => {
    await using shim = new Shim({ binary });
    await shim.create({ flags: 0, plan: plan(sh("true"), own) });
    expect(await shim.kill()).toMatchObject({ exitCode: 137, signal: 9 });
  });

  test("is joined by an exec", async () => {
    await using shim = new Shim({ binary });
    await shim.create({ plan: plan(sh("sleep 100"), own) });
    const stream = await shim.connect();
    const fields = execFields(
      "one",
      flags.stream | allOutput | flags.stdin,
      plan(sh("echo $$; cat"), { join: true, ...own }),
    );
    await stream.ok(kinds.exec, ...fields);
    stream.send("hi\n");
    stream.end();
    const lines = demultiplex(await stream.incoming.rest())
      .stdout.toString()
      .split("\n");
    expect(Number(lines[0])).toBeLessThan(100);
    expect(lines[1]).toBe("hi");
    await shim.kill();
  });

  test("loses its execs when it ends", async () => {
    await using shim = new Shim({ binary });
    await shim.create({ plan: plan(["/bin/sleep", "100"], own) });
    await shim.daemon.ok(kinds.exec, ...execFields("left", 0, plan(["/bin/sleep", "100"], { join: true })));
    const exit = await shim.kill();
    expect(exit.exitCode).toBe(137);
    expect(await shim.daemon.event(kinds.execExit)).toBeDefined();
  });
});

/** In kB, from /proc/PID/smaps_rollup. */
function memoryKb(pid: number | undefined): number {
  return Number(/^Pss: +(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]);
}

describe.if(isRoot)("a measurement", () => {
  test("300 MB of lines go into the log", async () => {
    await using shim = new Shim({ binary });
    const line = "x".repeat(99);
    const started = performance.now();
    await shim.run({ logPath: shim.logPath, plan: plan(sh(`yes ${line} | head -c 300000000`)) });
    const ms = performance.now() - started;
    const { size } = statSync(shim.logPath);
    console.log(`300 MB in lines of 100 bytes: ${ms.toFixed(0)} ms, ${size} bytes of log`);
    /* 3,000,000 entries of 8 + 99 + 2 bytes, stream, and a time that is at most 30 bytes long. */
    expect(size / 3_000_000).toBeGreaterThan(150);
    expect(size / 3_000_000).toBeLessThan(175);
  });

  test("a quiet shim holds at most 500 kB", async () => {
    await using shim = new Shim({ binary });
    await shim.create({
      logPath: shim.logPath,
      plan: plan(["/bin/sh", "-c", "seq 1 100000; exec sleep 100"]),
    });
    await until(() => shim.log().length === 100000);
    await until(() => memoryKb(shim.child.pid) <= 500);
    console.log(`a quiet shim: ${memoryKb(shim.child.pid)} kB`);
    await shim.kill();
  });
});
