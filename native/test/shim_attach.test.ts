/** Peers of the main process: output from the moment they attach, input with back-pressure, ends and half-closes. */
import { statSync } from "node:fs";
import { describe, expect, test } from "bun:test";
import {
  allOutput,
  binary,
  type Connection,
  demultiplex,
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

const interactive = flags.run | flags.stdin;

function numbered(count: number): string {
  return Array.from({ length: count }, (_, index) => `${index + 1}\n`).join("");
}

async function output(peer: Connection): Promise<string> {
  return demultiplex(await peer.incoming.rest()).stdout.toString();
}

describe("an attached peer", () => {
  test("gets both streams in Docker's frames, then the end of file", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(allOutput);
    await shim.run({ plan: plan(sh("printf out; sleep 0.05; printf err >&2")) });
    const bytes = await peer.incoming.rest();
    expect(bytes.toString("latin1")).toBe("\u0001\0\0\0\0\0\0\u0003out\u0002\0\0\0\0\0\0\u0003err");
    expect(peer.incoming.error).toBeUndefined();
  });

  test("gets only the streams it asked for", async () => {
    await using shim = new Shim({ binary });
    const peers = [await shim.attach(flags.stdout), await shim.attach(flags.stderr), await shim.attach(0)];
    await shim.run({ plan: plan(sh("echo out; echo err >&2")) });
    const streams = (await Promise.all(peers.map((peer) => peer.incoming.rest()))).map(demultiplex);
    expect(streams.map(({ stdout, stderr }) => `${stdout.toString()}${stderr.toString()}`)).toEqual([
      "out\n",
      "err\n",
      "",
    ]);
  });

  test("gets nothing from before it attached", async () => {
    await using shim = new Shim({ binary });
    const first = await shim.attach(flags.stdin | allOutput);
    await shim.create({ flags: interactive, plan: plan(sh("echo before; read x; echo after")) });
    await first.incoming.until("before\n");
    const second = await shim.attach(allOutput);
    first.send("go\n");
    expect(await output(second)).toBe("after\n");
  });

  test("is refused when the process has ended or never was", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.connect();
    await shim.create({ logPath: "/nowhere/log", plan: plan(sh("true")) });
    expect(
      await peer.request(kinds.attach, u32(allOutput)).catch((error: unknown) => String(error)),
    ).toContain("connection ended");
  });

  test("gets what the shim could not deliver before it ended", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(allOutput);
    peer.pause();
    await shim.run({ plan: plan(sh("seq 1 200000")) });
    expect(await shim.ended).toBe(0);
    peer.resume();
    expect(await output(peer)).toBe(numbered(200000));
  });
});

describe("many peers", () => {
  test("get the same, and so does the log", async () => {
    await using shim = new Shim({ binary });
    const peers = await Promise.all(Array.from({ length: 50 }, () => shim.attach(allOutput)));
    await shim.run({ logPath: shim.logPath, plan: plan(sh("seq 1 20000")) });
    const outputs = await Promise.all(peers.map(output));
    expect(new Set(outputs)).toEqual(new Set([numbered(20000)]));
    expect(
      shim
        .log()
        .map((entry) => entry.log)
        .join(""),
    ).toBe(numbered(20000));
  });
});

describe("a peer that does not read", () => {
  test("holds the process back, not the shim, and misses nothing", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(allOutput);
    peer.pause();
    await shim.create({ logPath: shim.logPath, plan: plan(sh("seq 1 3000000")) });
    await until(() => statSync(shim.logPath).size > 1_000_000);
    for (let i = 0; i < 200; i++) await shim.daemon.ok(kinds.state);
    /* The peer's queue, the socket's and one read: 1 MiB, 0.2 MiB, 0.25 MiB of lines that take up to 12 times as much in the log. */
    expect(statSync(shim.logPath).size).toBeLessThan(24_000_000);
    peer.resume();
    expect(await output(peer)).toBe(numbered(3_000_000));
  });

  test("is forgotten when it is gone", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(allOutput);
    peer.pause();
    await shim.create({ logPath: shim.logPath, plan: plan(sh("seq 1 1000000")) });
    await until(() => statSync(shim.logPath).size > 1_000_000);
    peer.destroy();
    await shim.exit();
    expect(shim.log().at(-1)?.log).toBe("1000000\n");
  });

  test("does not delay the report of the end", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(allOutput);
    peer.pause();
    const started = performance.now();
    const exit = await shim.run({ logPath: shim.logPath, plan: plan(sh("seq 1 100000")) });
    expect(exit.exitCode).toBe(0);
    expect(performance.now() - started).toBeLessThan(2000);
    expect(shim.log()).toHaveLength(100000);
  });
});

describe("standard input", () => {
  test("reaches the process, whatever its size, and its output comes back", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(flags.stdin | allOutput);
    await shim.create({ flags: interactive | flags.stdinOnce, plan: plan(["/bin/cat"]) });
    const text = numbered(300000);
    peer.send(text);
    peer.end();
    expect(await output(peer)).toBe(text);
    expect((await shim.exit()).exitCode).toBe(0);
  });

  test("may follow the request at once", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.connect();
    peer.send(
      Buffer.concat([frame(kinds.attach, 1, u32(flags.stdin | allOutput)), Buffer.from("at once\n")]),
    );
    await peer.reply(1);
    peer.end();
    await shim.create({ flags: interactive | flags.stdinOnce, plan: plan(["/bin/cat"]) });
    expect(await output(peer)).toBe("at once\n");
  });

  test("of several peers reaches the process", async () => {
    await using shim = new Shim({ binary });
    const peers = [await shim.attach(flags.stdin | allOutput), await shim.attach(flags.stdin)];
    await shim.create({ flags: interactive, plan: plan(sh("read a; echo got $a; read b; echo got $b")) });
    peers[1]?.send("one\n");
    await peers[0]?.incoming.until("got one\n");
    peers[0]?.send("two\n");
    expect(await peers[0]?.incoming.until("got two\n")).toContain("two");
    await shim.exit();
  });

  test("with STDIN_ONCE ends with the first peer's, whose output goes on", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(flags.stdin | allOutput);
    await shim.create({ flags: interactive | flags.stdinOnce, plan: plan(sh("cat; echo eof")) });
    peer.send("hi\n");
    peer.end();
    expect(await output(peer)).toBe("hi\neof\n");
  });

  test("without STDIN_ONCE stays open when a peer ends its own, which detaches the peer", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(flags.stdin | allOutput);
    await shim.create({ flags: interactive, plan: plan(sh("read a; echo $a; read b; echo $b")) });
    peer.send("one\n");
    await peer.incoming.until("one\n");
    peer.end();
    expect(await output(peer)).toBe("");
    const second = await shim.attach(flags.stdin | allOutput);
    second.send("two\n");
    expect(await output(second)).toBe("two\n");
  });

  test("of a peer that takes no part in it is not touched by the peer's end", async () => {
    await using shim = new Shim({ binary });
    const watcher = await shim.attach(allOutput);
    watcher.end();
    const peer = await shim.attach(flags.stdin);
    await shim.create({ flags: interactive, plan: plan(sh("read a; echo $a")) });
    peer.send("still here\n");
    expect(await output(watcher)).toBe("still here\n");
  });

  test("is closed by CLOSE_STDIN, after what was sent before", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(flags.stdin | allOutput);
    await shim.create({ flags: interactive, plan: plan(sh("cat; echo eof")) });
    peer.send("hi\n");
    await peer.incoming.until("hi\n");
    await shim.daemon.ok(kinds.closeStdin, str(""));
    expect(await output(peer)).toBe("eof\n");
  });

  test("is /dev/null without SHIM_STDIN", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(flags.stdin | allOutput);
    peer.send("nobody reads this\n");
    await shim.run({ plan: plan(sh("readlink /proc/self/fd/0; cat")) });
    expect(await output(peer)).toBe("/dev/null\n");
    expect(peer.incoming.error).toBeUndefined();
  });

  test("that the process does not read holds its writer back, not the shim", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(flags.stdin | allOutput);
    await shim.create({ flags: interactive, plan: plan(["/bin/sh", "-c", "echo ready; exec sleep 100"]) });
    await peer.incoming.until("ready\n");
    const isTaken = peer.sendAndDrain("x".repeat(4_000_000));
    for (let i = 0; i < 100; i++) await shim.daemon.ok(kinds.state);
    expect(await Promise.race([isTaken, Promise.resolve("waits")])).toBe("waits");
    await shim.kill();
  });

  test("is thrown away when the process has closed it", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(flags.stdin | allOutput);
    await shim.create({
      flags: interactive,
      plan: plan(["/bin/sh", "-c", "exec 0<&-; echo closed; exec sleep 100"]),
    });
    await peer.incoming.until("closed\n");
    await peer.sendAndDrain("x".repeat(4_000_000));
    await shim.kill();
  });
});

describe("a terminal", () => {
  test("is raw bytes both ways, with the size of create", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(flags.stdin | allOutput);
    await shim.create({
      flags: interactive | flags.terminal,
      rows: 33,
      cols: 77,
      plan: plan(sh("tty >/dev/null && echo tty; read a; echo got $a; stty size"), { terminal: true }),
    });
    await peer.incoming.until("tty\r\n");
    peer.send("hi\n");
    expect((await peer.incoming.rest()).toString()).toBe("hi\r\ngot hi\r\n33 77\r\n");
  });

  test("tells the process when RESIZE changes its size", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(flags.stdin | allOutput);
    const script = `trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done`;
    await shim.create({
      flags: interactive | flags.terminal,
      plan: plan(["/bin/bash", "-c", script], { terminal: true }),
    });
    await peer.incoming.until("ready\r\n");
    await shim.daemon.ok(kinds.resize, str(""), u32(50), u32(132));
    expect(await peer.incoming.until("50 132\r\n")).toBe("50 132\r\n");
    await shim.exit();
  });

  test("detaches the peer that ends its input, also with STDIN_ONCE, as Docker does", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(flags.stdin | allOutput);
    const create = {
      flags: interactive | flags.terminal | flags.stdinOnce,
      plan: plan(sh("echo ready; read a; echo $a"), { terminal: true }),
    };
    await shim.create(create);
    await peer.incoming.until("ready\r\n");
    peer.end();
    expect((await peer.incoming.rest()).toString()).toBe("");
    const second = await shim.attach(flags.stdin | allOutput);
    second.send("again\n");
    expect((await second.incoming.rest()).toString()).toBe("again\r\nagain\r\n");
  });

  test("that the process closed and opens again goes on", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(allOutput);
    const script =
      "t=$(tty); echo one; exec 0</dev/null 1>/dev/null 2>/dev/null; sleep 0.1; exec 1>$t; echo two";
    await shim.run({ flags: flags.run | flags.terminal, plan: plan(sh(script), { terminal: true }) });
    expect((await peer.incoming.rest()).toString()).toBe("one\r\ntwo\r\n");
  });

  test("has no input that could be closed, and without one there is nothing to resize", async () => {
    await using shim = new Shim({ binary });
    await shim.create({
      flags: interactive | flags.terminal,
      plan: plan(["/bin/sleep", "100"], { terminal: true }),
    });
    expect(await shim.errno(kinds.closeStdin, str(""))).toBe("ENOTTY");
    await shim.kill();
    await using other = new Shim({ binary });
    await other.create({ plan: plan(["/bin/sleep", "100"]) });
    expect(await other.errno(kinds.resize, str(""), u32(1), u32(1))).toBe("ENOTTY");
    await other.kill();
  });
});
