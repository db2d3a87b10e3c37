/** Life of a task as its daemon sees it: requests, replies, events, records, and what happens when one of the two dies. */
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import {
  allOutput,
  binary,
  decodeError,
  errnoName,
  flags,
  frame,
  kinds,
  plan,
  sh,
  Shim,
  str,
  u32,
  until,
} from "./shim_harness.ts";

const forever = ["/bin/sleep", "100"];

async function state(
  shim: Shim,
  connection = shim.daemon,
): Promise<{ status: number; pid: number; startTicks: bigint }> {
  const reply = await connection.ok(kinds.state);
  return { status: reply.readUInt32LE(0), pid: reply.readUInt32LE(4), startTicks: reply.readBigUInt64LE(8) };
}

function startTicks(pid: number): bigint {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return BigInt(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "");
}

describe("KEEP", () => {
  const keep = (name: string, number: number): Buffer => Buffer.concat([str(name), u32(number)]);

  test("keeps copies under their names, in place of earlier ones, up to a number of them", async () => {
    await using shim = new Shim({ binary });
    await shim.create({ plan: plan(forever) });
    const file = openSync(join(shim.directory, "kept"), "w+");
    writeSync(file, "kept");
    const first = (await shim.daemon.ok(kinds.keep, keep("a", file))).readUInt32LE(0);
    expect(readFileSync(`/proc/${shim.child.pid}/fd/${first}`, "utf8")).toBe("kept");
    const again = (await shim.daemon.ok(kinds.keep, keep("a", file))).readUInt32LE(0);
    expect(existsSync(`/proc/${shim.child.pid}/fd/${first}`)).toBe(again === first);
    for (let i = 1; i < 8; i++) await shim.daemon.ok(kinds.keep, keep(`n${i}`, file));
    expect(await shim.errno(kinds.keep, keep("one more", file))).toBe("ENOSPC");
    const kept = await shim.daemon.ok(kinds.kept);
    expect([kept.readUInt32LE(0), kept.readUInt32LE(4)]).toEqual([shim.child.pid ?? 0, 8]);
    closeSync(file);
    await shim.kill();
  });

  test("refuses what is no descriptor of the peer's, and names that are none", async () => {
    await using shim = new Shim({ binary });
    for (const [name, number, errno] of [
      ["a", 999_999, "EBADF"],
      ["", 0, "EINVAL"],
      ["x".repeat(65), 0, "EINVAL"],
    ] as const)
      expect(await shim.errno(kinds.keep, keep(name, number))).toBe(errno);
    expect((await shim.daemon.ok(kinds.kept)).readUInt32LE(4)).toBe(0);
  });
});

describe("CREATE", () => {
  test("without RUN makes a process that waits, START runs it", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(allOutput);
    expect(await state(shim)).toEqual({ status: 0, pid: 0, startTicks: 0n });
    const reply = await shim.create({ flags: 0, plan: plan(sh("echo ran")) });
    const pid = reply.payload.readUInt32LE(0);
    expect(reply.payload.readBigUInt64LE(4)).toBe(startTicks(pid));
    expect(await state(shim)).toEqual({ status: 1, pid, startTicks: startTicks(pid) });
    expect(await shim.daemon.ok(kinds.start)).toHaveLength(0);
    expect((await peer.incoming.rest()).toString()).toContain("ran");
    expect((await shim.exit()).exitCode).toBe(0);
  });

  test("with RUN answers when the program runs, and writes the pid file", async () => {
    await using shim = new Shim({ binary });
    const reply = await shim.create({ plan: plan(forever) });
    const pid = reply.payload.readUInt32LE(0);
    expect(readlinkSync(`/proc/${pid}/exe`)).toContain("sleep");
    expect(JSON.parse(shim.read("pid"))).toEqual({ pid, startTicks: Number(startTicks(pid)) });
    expect(await state(shim)).toEqual({ status: 2, pid, startTicks: startTicks(pid) });
    await shim.kill();
  });

  for (const [name, environment, argv, errno] of [
    ["before there is a process", { FAKE_SPAWN_ERRNO: "28" }, forever, "ENOSPC"],
    ["in the process's set-up", { FAKE_SETUP_ERRNO: "13" }, forever, "EACCES"],
    ["in execve", {}, ["/no/such/program"], "ENOENT"],
  ] as const) {
    test(`that fails ${name} tells why, leaves nothing and ends the shim`, async () => {
      await using shim = new Shim({ binary, environment });
      const peer = await shim.attach(allOutput);
      const reply = await shim.create({ plan: plan(argv) });
      expect(reply.kind).toBe(kinds.error);
      expect(errnoName(decodeError(reply).errno)).toBe(errno);
      expect(await shim.ended).toBe(0);
      expect(readdirSync(shim.directory)).toEqual([]);
      expect(await peer.incoming.rest()).toHaveLength(0);
    });
  }

  test("is possible once", async () => {
    await using shim = new Shim({ binary });
    await shim.create({ plan: plan(forever) });
    const second = await shim.create({ plan: plan(forever) });
    expect(errnoName(decodeError(second).errno)).toBe("EALREADY");
    await shim.kill();
  });

  test("gives the process its own session, three descriptors and no blocked or ignored signal", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(allOutput);
    await shim.run({
      plan: plan(
        sh(
          "ls /proc/self/fd | tr '\\n' ' '; grep -E '^Sig(Blk|Ign)' /proc/self/status | cut -f2 | tr '\\n' ' '",
        ),
      ),
    });
    expect((await peer.incoming.rest()).subarray(8).toString()).toContain("0 1 2 3 ");
    const text = (await peer.incoming.rest()).toString();
    expect(text).toContain("0000000000000000");
    expect(text).not.toMatch(/[0-9a-f]*[1-9a-f][0-9a-f]{15}/);
  });
});

describe("START", () => {
  test("that fails tells why, ends attached peers and the shim", async () => {
    await using shim = new Shim({ binary });
    await shim.create({ flags: 0, plan: plan(["/no/such/program"]) });
    const peer = await shim.attach(allOutput);
    const reply = await shim.daemon.request(kinds.start);
    expect(errnoName(decodeError(reply).errno)).toBe("ENOENT");
    expect(await peer.incoming.rest()).toHaveLength(0);
    expect(await shim.ended).toBe(0);
    expect(readdirSync(shim.directory)).toEqual([]);
  });

  test("needs a created process", async () => {
    await using shim = new Shim({ binary });
    expect(await shim.errno(kinds.start)).toBe("EINVAL");
    await shim.create({ plan: plan(forever) });
    expect(await shim.errno(kinds.start)).toBe("EINVAL");
    await shim.kill();
  });
});

describe("SIGNAL", () => {
  test("reaches the process; the exit says 128 and the signal", async () => {
    await using shim = new Shim({ binary });
    await shim.create({ plan: plan(forever) });
    expect(await shim.kill(15)).toMatchObject({ exitCode: 143, signal: 15, oomKilled: 0 });
  });

  test("kills a process that is only created, too", async () => {
    await using shim = new Shim({ binary });
    await shim.create({ flags: 0, plan: plan(forever) });
    expect(await shim.kill(9)).toMatchObject({ exitCode: 137, signal: 9 });
  });

  test("is refused for nobody, and for a signal that is none", async () => {
    await using shim = new Shim({ binary });
    expect(await shim.errno(kinds.signal, str(""), u32(9))).toBe("ESRCH");
    await shim.create({ plan: plan(forever) });
    expect(await shim.errno(kinds.signal, str("nobody"), u32(9))).toBe("ESRCH");
    expect(await shim.errno(kinds.signal, str(""), u32(9999))).toBe("EINVAL");
    await shim.kill();
  });
});

describe("the end", () => {
  test("is recorded before it is told, with everything in the log", async () => {
    await using shim = new Shim({ binary, environment: { FAKE_OOM: "1" } });
    const exit = await shim.run({ logPath: shim.logPath, plan: plan(sh("seq 1 50000; exit 7")) });
    expect(exit).toMatchObject({ exitCode: 7, signal: 0, oomKilled: 1, lostLogBytes: 0n });
    expect(shim.log()).toHaveLength(50000);
    expect(JSON.parse(shim.read("exit"))).toEqual({
      exitCode: 7,
      signal: 0,
      oomKilled: true,
      exitedAtNs: String(exit.exitedAtNs),
      lostLogBytes: "0",
    });
    expect(Math.abs(Number(exit.exitedAtNs / 1_000_000n) - Date.now())).toBeLessThan(10_000);
  });

  test("comes behind the news that memory has run out", async () => {
    await using shim = new Shim({ binary, environment: { FAKE_OOM_BELL: "1" } });
    await shim.create({ plan: plan(sh("sleep 0.1; exit 3")) });
    expect((await shim.daemon.event(kinds.oom))?.payload).toHaveLength(0);
    expect(await shim.exit()).toMatchObject({ exitCode: 3 });
  });

  test("ends the shim, which leaves pid and exit and nothing else", async () => {
    await using shim = new Shim({ binary });
    await shim.run({ plan: plan(sh("true")) });
    expect(await shim.ended).toBe(0);
    expect(readdirSync(shim.directory).sort()).toEqual(["exit", "pid"]);
    expect(shim.stderr).toBe("");
  });

  test("is told to everybody who subscribed", async () => {
    await using shim = new Shim({ binary });
    const subscribers = await Promise.all(Array.from({ length: 20 }, () => shim.connect()));
    await Promise.all(subscribers.map((subscriber) => subscriber.ok(kinds.subscribe)));
    await shim.create({ plan: plan(sh("exit 4")) });
    const exits = await Promise.all([shim.daemon, ...subscribers].map((connection) => shim.exit(connection)));
    expect(new Set(exits.map((exit) => exit.exitCode))).toEqual(new Set([4]));
  });

  test("comes by process, not by end of file: who else holds the pipes is given two seconds", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(allOutput);
    const started = performance.now();
    const exit = await shim.run({
      logPath: shim.logPath,
      plan: plan(sh("(sleep 0.2; echo late; exec sleep 5) & echo now; exit 5")),
    });
    const elapsed = performance.now() - started;
    expect(exit.exitCode).toBe(5);
    expect(elapsed).toBeGreaterThan(1900);
    expect(elapsed).toBeLessThan(4000);
    expect(shim.log().map((entry) => entry.log)).toEqual(["now\n", "late\n"]);
    expect((await peer.incoming.rest()).toString()).toContain("late");
  });

  test("reaps orphans, whose exit is nobody's", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(flags.stdin | allOutput);
    const script = "(exec setsid sh -c 'exit 9' &) ; echo ready; read x; exit 3";
    await shim.create({ flags: flags.run | flags.stdin, plan: plan(sh(script)) });
    await peer.incoming.until("ready\n");
    await until(
      () =>
        !readFileSync(`/proc/${shim.child.pid}/task/${shim.child.pid}/children`, "utf8").trim().includes(" "),
    );
    peer.send("\n");
    expect((await shim.exit()).exitCode).toBe(3);
  });
});

describe("a malformed frame", () => {
  const header = (size: number, kind: number): Buffer => Buffer.concat([u32(size), u32(kind | (1 << 16))]);
  for (const [name, bytes] of [
    ["that is too large", header((16 << 20) + 65537, kinds.create)],
    ["that is too large for its kind", header(5000, kinds.signal)],
    ["of an unknown kind", frame(77, 1, Buffer.alloc(0))],
    ["of kind 0", frame(0, 1, Buffer.alloc(0))],
    ["that is a reply", frame(kinds.ok, 1, Buffer.alloc(0))],
    ["that lacks a field", frame(kinds.signal, 1, str(""))],
    ["with bytes left over", frame(kinds.state, 1, Buffer.alloc(1))],
    ["with a string longer than the frame", frame(kinds.signal, 1, Buffer.concat([u32(0xffffffff), u32(0)]))],
    ["with a NUL in a string", frame(kinds.signal, 1, Buffer.concat([u32(1), Buffer.of(0, 0), u32(9)]))],
    ["with a string that lacks its NUL", frame(kinds.closeStdin, 1, Buffer.concat([u32(0), Buffer.of(1)]))],
  ] as const) {
    test(`${name} ends its connection, and only that`, async () => {
      await using shim = new Shim({ binary });
      await shim.create({ plan: plan(forever) });
      const bad = await shim.connect();
      bad.send(bytes);
      expect(await bad.incoming.rest()).toHaveLength(0);
      expect((await state(shim)).status).toBe(2);
      await shim.kill();
    });
  }

  test("that never ends holds nobody else up", async () => {
    await using shim = new Shim({ binary });
    await shim.create({ plan: plan(forever) });
    const slow = await shim.connect();
    slow.send(header(16 << 20, kinds.exec));
    slow.send("a few bytes");
    expect((await state(shim)).status).toBe(2);
    await shim.kill();
  });
});

describe("many requests at once", () => {
  test("are answered in order, on many connections", async () => {
    await using shim = new Shim({ binary });
    await shim.create({ plan: plan(forever) });
    const connections = await Promise.all(Array.from({ length: 40 }, () => shim.connect()));
    await Promise.all(
      connections.map(async (connection) => {
        const tags = Array.from({ length: 50 }, () => connection.post(kinds.state));
        for (const tag of tags) expect((await connection.reply(tag)).payload.readUInt32LE(0)).toBe(2);
      }),
    );
    await shim.kill();
  });
});

describe("the daemon's death", () => {
  test("before CREATE ends the shim", async () => {
    await using shim = new Shim({ binary });
    await shim.daemon.ok(kinds.state);
    shim.daemon.destroy();
    expect(await shim.ended).toBe(0);
    expect(readdirSync(shim.directory)).toEqual([]);
  });

  test("after CREATE does not: the next daemon starts the process and hears of its end", async () => {
    await using shim = new Shim({ binary });
    await shim.create({ flags: 0, plan: plan(sh("exit 6")) });
    const next = await shim.connect();
    shim.daemon.destroy();
    await next.ok(kinds.subscribe);
    expect((await state(shim, next)).status).toBe(1);
    await next.ok(kinds.start);
    expect((await shim.exit(next)).exitCode).toBe(6);
  });

  test("in the middle of output loses nothing, and the exit is on record", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(allOutput);
    await shim.create({ logPath: shim.logPath, plan: plan(sh("seq 1 300000; exit 8")) });
    await peer.incoming.until("1000\n");
    peer.destroy();
    shim.daemon.destroy();
    expect(await shim.ended).toBe(0);
    expect(
      shim
        .log()
        .map((entry) => entry.log)
        .join(""),
    ).toBe(Array.from({ length: 300000 }, (_, i) => `${i + 1}\n`).join(""));
    expect(shim.read("exit")).toContain('"exitCode":8');
  });
});

describe("the shim itself", () => {
  test("ignores the signals that end ordinary processes", async () => {
    await using shim = new Shim({ binary });
    await shim.create({ plan: plan(forever) });
    for (const signal of ["SIGHUP", "SIGINT", "SIGTERM", "SIGPIPE", "SIGUSR1", "SIGQUIT"] as const)
      shim.child.kill(signal);
    expect((await state(shim)).status).toBe(2);
    await shim.kill();
  });

  test("has a name, a session, a private socket and no descriptor of its parent", async () => {
    await using shim = new Shim({
      binary,
      prefix: ["sh", "-c", 'exec 7</etc/passwd 9</etc/passwd; exec "$@"', "sh"],
    });
    await shim.create({ plan: plan(forever) });
    const proc = `/proc/${shim.child.pid}`;
    expect(readFileSync(join(proc, "comm"), "utf8")).toBe("gantry-shim\n");
    expect(readFileSync(join(proc, "stat"), "utf8").split(" ")[5]).toBe(String(shim.child.pid));
    expect(statSync(join(shim.directory, "shim.sock")).mode & 0o777).toBe(0o600);
    const open = readdirSync(join(proc, "fd")).map((fd) => readlinkSync(join(proc, "fd", fd)));
    expect(open.filter((target) => target.startsWith("/"))).toEqual(["/dev/null", "/dev/null"]);
    await shim.kill();
  });

  test("that was killed leaves no exit record, and another can take its place", async () => {
    await using shim = new Shim({ binary });
    const reply = await shim.create({ plan: plan(forever) });
    shim.child.kill("SIGKILL");
    await shim.ended;
    process.kill(reply.payload.readUInt32LE(0), "SIGKILL");
    expect(existsSync(join(shim.directory, "exit"))).toBe(false);
    await using second = new Shim({ binary, directory: shim.directory });
    expect((await second.run({ plan: plan(sh("exit 2")) })).exitCode).toBe(2);
    expect(second.read("exit")).toContain('"exitCode":2');
  });

  test("refuses to start without the daemon's socket", async () => {
    await using shim = new Shim({ binary, prefix: ["sh", "-c", 'exec 3</dev/null; exec "$@"', "sh"] });
    expect(await shim.ended).toBe(1);
    expect(shim.stderr).toContain("cannot find the daemon's socket");
  });
});
