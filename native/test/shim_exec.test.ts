/** Execs: their own streams, ids, exits and leftovers. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import {
  allOutput,
  binary,
  type Connection,
  decodeError,
  demultiplex,
  errnoName,
  execFields,
  flags,
  type Frame,
  kinds,
  plan,
  sh,
  Shim,
  str,
  u32,
  until,
} from "./shim_harness.ts";

const streamed = flags.stream | allOutput;

async function running(): Promise<Shim> {
  const shim = new Shim({ binary });
  await shim.create({ plan: plan(["/bin/sleep", "100"]) });
  return shim;
}

function joinPlan(argv: readonly string[], terminal = false): Buffer {
  return plan(argv, { join: true, terminal });
}

interface ExecExit {
  readonly execId: string;
  readonly exitCode: number;
  readonly signal: number;
}

async function execExit(shim: Shim): Promise<ExecExit> {
  const event: Frame | undefined = await shim.daemon.event(kinds.execExit);
  if (event === undefined) throw new Error("no exit event");
  const length = event.payload.readUInt32LE(0);
  const rest = event.payload.subarray(4 + length + 1);
  return {
    execId: event.payload.subarray(4, 4 + length).toString(),
    exitCode: rest.readUInt32LE(0),
    signal: rest.readUInt32LE(4),
  };
}

async function exec(shim: Shim, id: string, execFlags: number, argv: readonly string[]): Promise<Connection> {
  const connection = await shim.connect();
  const isTerminal = (execFlags & flags.terminal) !== 0;
  const reply = await connection.ok(kinds.exec, ...execFields(id, execFlags, joinPlan(argv, isTerminal)));
  expect(reply.readUInt32LE(0)).toBeGreaterThan(1);
  return connection;
}

describe("an exec with a stream", () => {
  test("turns its connection into the process's output, then its exit is told", async () => {
    await using shim = await running();
    const stream = await exec(shim, "one", streamed, sh("echo out; echo err >&2; exit 9"));
    const { stdout, stderr } = demultiplex(await stream.incoming.rest());
    expect([stdout.toString(), stderr.toString()]).toEqual(["out\n", "err\n"]);
    expect(await execExit(shim)).toEqual({ execId: "one", exitCode: 9, signal: 0 });
    await shim.kill();
  });

  test("has an input whose end is the peer's", async () => {
    await using shim = await running();
    const stream = await exec(shim, "one", streamed | flags.stdin, sh("cat; echo eof"));
    stream.send("hi\n");
    stream.end();
    expect(demultiplex(await stream.incoming.rest()).stdout.toString()).toBe("hi\neof\n");
    await shim.kill();
  });

  test("has no input without SHIM_STDIN, and no output that it did not ask for", async () => {
    await using shim = await running();
    const stream = await exec(
      shim,
      "one",
      flags.stream | flags.stderr,
      sh("cat; echo out; out=$(readlink /proc/$$/fd/1); echo $out >&2"),
    );
    const { stdout, stderr } = demultiplex(await stream.incoming.rest());
    expect([stdout.toString(), stderr.toString()]).toEqual(["", "/dev/null\n"]);
    await shim.kill();
  });

  test("carries much, both ways, and its exit is told when all is out", async () => {
    await using shim = await running();
    const stream = await exec(shim, "one", streamed | flags.stdin, ["/bin/cat"]);
    const text = "0123456789abcde\n".repeat(300_000);
    stream.send(text);
    stream.end();
    expect(demultiplex(await stream.incoming.rest()).stdout.toString() === text).toBe(true);
    expect((await execExit(shim)).exitCode).toBe(0);
    await shim.kill();
  });

  test("whose peer is gone loses its input, and goes on with its output thrown away", async () => {
    await using shim = await running();
    const marker = join(shim.directory, "survived");
    const stream = await exec(
      shim,
      "one",
      streamed | flags.stdin,
      sh(`echo ready; cat; seq 1 100000; echo > ${marker}`),
    );
    await stream.incoming.until("ready\n");
    stream.destroy();
    expect(await execExit(shim)).toEqual({ execId: "one", exitCode: 0, signal: 0 });
    expect(existsSync(marker)).toBe(true);
    await shim.kill();
  });

  test("gives what else holds its pipes two seconds, and keeps them open after that, as Docker does", async () => {
    await using shim = await running();
    const marker = join(shim.directory, "survived");
    const started = performance.now();
    const stream = await exec(
      shim,
      "one",
      streamed,
      sh(`(sleep 0.2; echo within; sleep 2.3; echo late; echo > ${marker}) & echo now`),
    );
    expect(demultiplex(await stream.incoming.rest()).stdout.toString()).toBe("now\nwithin\n");
    await execExit(shim);
    expect(performance.now() - started).toBeLessThan(2450);
    await until(() => existsSync(marker));
    await shim.kill();
  });

  test("that is a terminal is raw, has a size and can be resized", async () => {
    await using shim = await running();
    const connection = await shim.connect();
    const script = `stty size; trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done`;
    const argv = joinPlan(["/bin/bash", "-c", script], true);
    await connection.ok(
      kinds.exec,
      ...execFields("one", streamed | flags.stdin | flags.terminal, argv, 20, 40),
    );
    await connection.incoming.until("ready\r\n");
    await shim.daemon.ok(kinds.resize, str("one"), u32(50), u32(132));
    await connection.incoming.until("50 132\r\n");
    await execExit(shim);
    await shim.kill();
  });
});

describe("an exec without a stream", () => {
  test("leaves its connection as it is and tells its exit", async () => {
    await using shim = await running();
    await shim.daemon.ok(kinds.exec, ...execFields("quiet", 0, joinPlan(sh("seq 1 100000; exit 5"))));
    expect(await execExit(shim)).toEqual({ execId: "quiet", exitCode: 5, signal: 0 });
    await shim.daemon.ok(kinds.state);
    await shim.kill();
  });

  test("takes signals by its id", async () => {
    await using shim = await running();
    await shim.daemon.ok(kinds.exec, ...execFields("sleeper", 0, joinPlan(["/bin/sleep", "100"])));
    await shim.daemon.ok(kinds.signal, str("sleeper"), u32(15));
    expect(await execExit(shim)).toEqual({ execId: "sleeper", exitCode: 143, signal: 15 });
    expect(await shim.errno(kinds.signal, str("sleeper"), u32(15))).toBe("ESRCH");
    await shim.kill();
  });
});

describe("an exec that cannot be", () => {
  test("is an error, and its connection goes on with frames", async () => {
    await using shim = await running();
    const connection = await shim.connect();
    const reply = await connection.request(
      kinds.exec,
      ...execFields("one", streamed, joinPlan(["/no/such/program"])),
    );
    expect(errnoName(decodeError(reply).errno)).toBe("ENOENT");
    await connection.ok(kinds.state);
    await shim.kill();
  });

  test("is refused: id in use, no id, no running container, a plan of the other kind", async () => {
    await using shim = new Shim({ binary });
    const sleep = joinPlan(["/bin/sleep", "100"]);
    expect(await shim.errno(kinds.exec, ...execFields("one", 0, sleep))).toBe("ESRCH");
    await shim.create({ plan: plan(["/bin/sleep", "100"]) });
    expect(await shim.errno(kinds.exec, ...execFields("", 0, sleep))).toBe("EINVAL");
    expect(await shim.errno(kinds.exec, ...execFields("x".repeat(129), 0, sleep))).toBe("EINVAL");
    expect(await shim.errno(kinds.exec, ...execFields("one", 0, plan(["/bin/true"])))).toBe("EINVAL");
    await shim.daemon.ok(kinds.exec, ...execFields("one", 0, sleep));
    expect(await shim.errno(kinds.exec, ...execFields("one", 0, sleep))).toBe("EEXIST");
    await shim.kill();
  });
});

describe("execs", () => {
  test("at once, all with their own output", async () => {
    await using shim = await running();
    const streams = await Promise.all(
      Array.from({ length: 40 }, (_, i) => exec(shim, `e${i}`, streamed, sh(`echo ${i}; exit ${i}`))),
    );
    const outputs = await Promise.all(streams.map((stream) => stream.incoming.rest()));
    expect(outputs.map((bytes) => demultiplex(bytes).stdout.toString())).toEqual(
      streams.map((_, i) => `${i}\n`),
    );
    const exits = await Promise.all(streams.map(() => execExit(shim)));
    expect(exits.map((exit) => exit.exitCode).sort((a, b) => a - b)).toEqual(streams.map((_, i) => i));
    await shim.kill();
  });

  test("leave no descriptor behind", async () => {
    await using shim = await running();
    const open = (): number => readdirSync(`/proc/${shim.child.pid}/fd`).length;
    const before = open();
    for (let i = 0; i < 50; i++) {
      const stream = await exec(shim, "again", streamed | flags.stdin, ["/bin/true"]);
      await execExit(shim);
      stream.destroy();
    }
    await until(() => open() === before);
    await shim.kill();
  });

  test("end with the main process, their exits told before its own", async () => {
    await using shim = await running();
    const stream = await exec(shim, "left", streamed, ["/bin/sleep", "100"]);
    await shim.daemon.ok(kinds.signal, str(""), u32(9));
    expect(await execExit(shim)).toEqual({ execId: "left", exitCode: 137, signal: 9 });
    expect((await shim.exit()).exitCode).toBe(137);
    expect(await stream.incoming.rest()).toHaveLength(0);
  });
});
