/** From IPv6 to IPv4 in a network of its own: the forwarder as it is started for containers, filter and all. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createSocket, type Socket as Datagrams } from "node:dgram";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { ipBytes, parseIp } from "../../../src/base/ip-address.ts";
import { errnoOf } from "../../../src/base/errors.ts";
import {
  type Forwarder,
  type ForwarderLimits,
  type ForwarderWish,
  FORWARDER_LIMITS,
  isForwarderAlive,
  startForwarder,
} from "../../../src/linux/forwarder.ts";
import { enterNewNetwork } from "../../support/bound-sockets.ts";
import { failureOf } from "../../support/failure.ts";
import { builtNative, NATIVE_PATHS } from "../../support/native.ts";
import { describeWith } from "../../support/requires.ts";
import { until } from "../../support/until.ts";

const OWNER = "0123456789abcdef0123456789abcdef";
const STARTER = join(import.meta.dirname, "..", "..", "support", "forwarder-starter.ts");

function bytesOf(address: string): Uint8Array {
  const parsed = parseIp(address);
  if (parsed === undefined) throw new Error(address);
  return ipBytes(parsed);
}

function statusOf(pid: number, field: string): string {
  return new RegExp(`^${field}:\\s+(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
}

function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
}

function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** A process that is not there, or that nobody has waited for yet. */
function isGone(pid: number): boolean {
  return !existsSync(`/proc/${pid}`) || statusOf(pid, "State").startsWith("Z");
}

/** Not by iteration, after which the runtime closes the other way, too. */
async function textOf(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(socket, "end");
  return text;
}

describeWith("forwarder", ["root", "native"], () => {
  const native = builtNative();
  let network: Disposable | undefined;
  let namespace = -1;
  let lastPort = 8000;
  const children: ChildProcess[] = [];
  const servers: Server[] = [];
  const datagrams: Datagrams[] = [];
  const descriptors: number[] = [];

  beforeAll(() => {
    network = enterNewNetwork();
    namespace = openSync("/proc/thread-self/ns/net", "r");
  });

  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    for (const server of servers.splice(0)) server.close();
    for (const socket of datagrams.splice(0)) socket.close();
    for (const fd of descriptors.splice(0)) native.closeFd(fd);
  });

  afterAll(() => {
    closeSync(namespace);
    network?.[Symbol.dispose]();
  });

  /** What a container's process is to a forwarder. */
  function container(): ChildProcess & { readonly pid: number } {
    const child = spawn("sleep", ["1000"], { stdio: "ignore" });
    children.push(child);
    return Object.assign(child, { pid: child.pid ?? 0 });
  }

  async function target(serve: (socket: Socket) => void): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => {});
      serve(socket);
    });
    servers.push(server);
    server.listen({ port: ++lastPort, host: "127.0.0.1", backlog: 2048 });
    await once(server, "listening");
    return lastPort;
  }

  const echo = (socket: Socket): void => void socket.pipe(socket);

  interface Wanted {
    readonly protocol?: "tcp" | "udp";
    readonly from?: string;
    readonly limits?: Partial<ForwarderLimits>;
    readonly keep?: ForwarderWish["keep"];
    readonly watched?: number;
    readonly listen?: boolean;
  }

  /** One to a port of 127.0.0.1. */
  async function forward(port: number, wanted: Wanted = {}): Promise<Forwarder & { readonly port: number }> {
    const { protocol = "tcp", from = "::1", listen = protocol === "tcp" } = wanted;
    const wish = { type: protocol, address: bytesOf(from), port: ++lastPort, listen };
    const hostPort = lastPort;
    const fd = await native.boundSocket(namespace, wish);
    const watch = native.pidfdOpen(wanted.watched ?? container().pid);
    try {
      const forwarder = await startForwarder(native, NATIVE_PATHS.shim, {
        owner: OWNER,
        sockets: [{ protocol, fd, target: { address: bytesOf("127.0.0.1"), port } }],
        watch,
        limits: { ...FORWARDER_LIMITS, ...wanted.limits },
        keep: wanted.keep ?? (async () => {}),
      });
      return { ...forwarder, port: hostPort };
    } finally {
      native.closeFd(watch);
      native.closeFd(fd);
    }
  }

  /** How a connection begins: "connected", or an error's code. */
  async function attempt(port: number): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const socket = connect({ port, host: "::1" });
    socket.once("connect", () => resolve("connected"));
    socket.on("error", (error) => resolve(errnoOf(error)));
    const outcome = await promise;
    socket.destroy();
    return outcome;
  }

  async function connected(port: number): Promise<Socket> {
    const socket = connect({ port, host: "::1", allowHalfOpen: true });
    socket.on("error", () => {});
    await once(socket, "connect");
    return socket;
  }

  async function asked(port: number, question: string): Promise<string> {
    const socket = await connected(port);
    socket.end(question);
    return textOf(socket);
  }

  test("serves clients of IPv6 from a container of IPv4, with no rights and no files", async () => {
    const { pid, port } = await forward(await target(echo));
    expect(await asked(port, "hello")).toBe("hello");
    expect(readFileSync(`/proc/${pid}/comm`, "utf8")).toBe("fw-0123456789ab\n");
    expect(readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0")).toEqual([
      "gantry-shim",
      "forward",
      OWNER,
      "",
    ]);
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"]) expect(statusOf(pid, set)).toMatch(/^0+$/);
    expect([statusOf(pid, "NoNewPrivs"), statusOf(pid, "Seccomp")]).toEqual(["1", "2"]);
    expect(readFileSync(`/proc/${pid}/environ`, "utf8")).toBe("");
    const kinds = new Set(openFiles(pid).map((file) => file.replace(/\[\d+\]$/, "")));
    expect([...kinds].sort()).toEqual([
      "/dev/null",
      "anon_inode:[eventpoll]",
      expect.stringMatching(/pidfd/),
      "pipe:",
      "socket:",
    ]);
  });

  test("serves the host's loopback", async () => {
    const { port } = await forward(await target(echo), { from: "127.0.0.1" });
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.end("hello");
    expect(await textOf(socket)).toBe("hello");
  });

  test("an end of either side is an end of the other's reading alone", async () => {
    const port = await target((socket) => {
      socket.write("greeting");
      void textOf(socket).then((text) => socket.end(` and ${text}`));
    });
    const client = await connected((await forward(port)).port);
    let text = "";
    client.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text === "greeting") client.end("goodbye");
    });
    await once(client, "end");
    expect(text).toBe("greeting and goodbye");
  });

  test("a client of a port where nobody listens is reset", async () => {
    const { port } = await forward(1);
    const client = connect({ port, host: "::1" });
    const [error]: unknown[] = await once(client, "error");
    expect(error).toMatchObject({ code: "ECONNRESET" });
  });

  test("a thousand connections cost little memory, and leave nothing", async () => {
    const { pid, port } = await forward(await target(echo));
    await asked(port, "warm");
    const before = { memory: Number.parseInt(statusOf(pid, "VmRSS"), 10), files: descriptorsOf(pid) };
    const clients = await Promise.all(Array.from({ length: 1000 }, () => connected(port)));
    const answers = clients.map((client) => once(client, "data"));
    for (const [number, client] of clients.entries()) client.write(`I am ${number}`);
    expect((await Promise.all(answers)).map(String)).toEqual(clients.map((_, number) => `I am ${number}`));
    const grown = Number.parseInt(statusOf(pid, "VmRSS"), 10) - before.memory;
    expect(grown).toBeLessThan(1024);
    // Two for each: pipes are there while something is in them.
    expect(descriptorsOf(pid) - before.files).toBeLessThan(2000 + 64);
    for (const client of clients) client.end();
    await until("its descriptors are back", () => descriptorsOf(pid) <= before.files + 32);
  });

  test("who does not read stops who writes, and no memory grows", async () => {
    const received = Promise.withResolvers<Socket>();
    const port = await target((socket) => {
      socket.pause();
      received.resolve(socket);
    });
    const { pid, port: host } = await forward(port);
    const before = Number.parseInt(statusOf(pid, "VmRSS"), 10);
    const client = await connected(host);
    const block = Buffer.alloc(1 << 20);
    let sent = 0;
    for (let taken = true; taken && sent < 256 << 20; sent += block.length)
      taken = await Promise.race([
        new Promise<boolean>((resolve) => client.write(block, () => resolve(true))),
        new Promise<boolean>((resolve) => setTimeout(resolve, 500, false)),
      ]);
    expect(sent).toBeLessThan(64 << 20);
    expect(Number.parseInt(statusOf(pid, "VmRSS"), 10) - before).toBeLessThan(256);
    client.end();
    let through = 0;
    for await (const chunk of await received.promise) through += chunk.length;
    expect(through).toBe(sent);
  });

  /** A server of datagrams that answers with the question and "!". */
  async function exclaimer(): Promise<number> {
    const server = createSocket("udp4");
    datagrams.push(server);
    server.on("message", (question, { port }) => server.send(`${question.toString()}!`, port, "127.0.0.1"));
    server.bind(++lastPort, "127.0.0.1");
    await once(server, "listening");
    return lastPort;
  }

  /** The answer, if it comes from where the question went to: the kernel lets no other pass. */
  async function answer(address: string, port: number, question: string): Promise<string> {
    const isIpv6 = address.includes(":");
    const client = createSocket(isIpv6 ? "udp6" : "udp4");
    datagrams.push(client);
    client.bind(0, isIpv6 ? "::1" : "127.0.0.1"); // from where an answer without a source would come, too
    await once(client, "listening");
    client.connect(port, address);
    await once(client, "connect");
    client.send(question);
    const [reply]: unknown[] = await once(client, "message");
    return String(reply);
  }

  test.each([
    ["::", ["::1", "fd00::1", "fd00::2"]],
    ["0.0.0.0", ["127.0.0.1", "127.0.0.2", "127.0.0.3"]],
  ])(
    "datagrams of two clients to addresses of %s come back to who asked from where he asked",
    async (from, addresses) => {
      for (const address of ["fd00::1", "fd00::2"])
        spawnSync("ip", ["addr", "replace", `${address}/128`, "dev", "lo", "nodad"]);
      const { port } = await forward(await exclaimer(), { protocol: "udp", from });
      const questions = addresses.flatMap((address) => [1, 2].map((client) => `${client} to ${address}`));
      const answers = questions.map((question) => answer(question.slice(5), port, question));
      expect(await Promise.all(answers)).toEqual(questions.map((question) => `${question}!`));
    },
  );

  test("ends with the container, and its port is free", async () => {
    const watched = container();
    const wanted = { watched: watched.pid, limits: { drainMs: 60_000 } };
    const { pid, port, ended } = await forward(await target(echo), wanted);
    const client = await connected(port);
    watched.kill("SIGKILL");
    // Who was in the backlog is reset.
    await until("nobody gets in", async () => (await attempt(port)) === "ECONNREFUSED");
    expect(isGone(pid)).toBe(false); // for who is still there
    client.end("last words");
    expect(await textOf(client)).toBe("last words");
    expect(await ended).toBe("exit status 0");
    expect(isGone(pid)).toBe(true);
  });

  test("does not wait longer than it may for who stays", async () => {
    const watched = container();
    const wanted = { watched: watched.pid, limits: { drainMs: 100 } };
    const { port, ended } = await forward(await target(echo), wanted);
    const client = await connected(port);
    watched.kill("SIGKILL");
    expect(await ended).toBe("exit status 0");
    client.destroy();
  });

  /** Starts one that lives until it is killed, and says the forwarder's pid. */
  async function daemon(
    watched: number,
    port: number,
    mode: "hold" | "go",
  ): Promise<{ readonly pid: number; readonly port: number; readonly kill: () => Promise<void> }> {
    const host = ++lastPort;
    const words = [STARTER, String(watched), String(host), String(port), mode];
    const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    const [pid]: unknown[] = await once(child.stdout, "data");
    const kill = async (): Promise<void> => {
      child.kill("SIGKILL");
      await once(child, "exit");
    };
    return { pid: Number(String(pid)), port: host, kill };
  }

  test("a daemon's death is not noticed by who is connected, nor by who comes later", async () => {
    const watched = container();
    const { pid, port, kill } = await daemon(watched.pid, await target(echo), "go");
    const early = await connected(port);
    early.write("before");
    expect(String((await once(early, "data"))[0])).toBe("before");
    await kill();
    early.end(" and after");
    expect(await textOf(early)).toBe(" and after");
    expect(await asked(port, "anew")).toBe("anew");
    watched.kill("SIGKILL");
    await until("the forwarder has ended", () => isGone(pid));
  });

  test("a daemon that dies before it has given the forwarder away takes it along", async () => {
    const { pid, kill } = await daemon(container().pid, await target(echo), "hold");
    expect(isGone(pid)).toBe(false);
    await kill();
    await until("the forwarder has ended", () => isGone(pid));
  });

  test("what is kept tells whether it lives, and ends it", async () => {
    let kept = -1;
    const keep = async (pidfd: number): Promise<void> => {
      const own = native.pidfdOpen(process.pid);
      kept = native.pidfdGetfd(own, pidfd);
      descriptors.push(own, kept);
    };
    const { pid, ended } = await forward(await target(echo), { keep });
    expect(isForwarderAlive(native, kept)).toBe(true);
    native.pidfdSignal(kept, 9);
    expect(await ended).toBe("killed by SIGKILL");
    await until("it is gone", () => isGone(pid));
    expect(isForwarderAlive(native, kept)).toBe(false);
  });

  test("nothing is left of one that cannot be kept", async () => {
    let pid = 0;
    const keep = async (pidfd: number): Promise<void> => {
      pid = Number(/^Pid:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${pidfd}`, "utf8"))?.[1]);
      throw new Error("no place");
    };
    const error = await failureOf(forward(await target(echo), { keep }));
    expect(error).toMatchObject({ message: "no place" });
    expect(isGone(pid)).toBe(true);
  });

  test("refuses a socket that does not listen, and says so", async () => {
    const error = await failureOf(forward(80, { listen: false }));
    expect(error).toMatchObject({
      category: "unavailable",
      message: "cannot accept from a socket that does not listen: invalid argument",
    });
  });

  test("a program that is not there is an error", async () => {
    const wish: ForwarderWish = {
      owner: OWNER,
      sockets: [{ protocol: "tcp", fd: 0, target: { address: bytesOf("127.0.0.1"), port: 80 } }],
      watch: 0,
      keep: async () => {},
    };
    expect(await failureOf(startForwarder(native, "/nonexistent", wish))).toMatchObject({
      category: "unavailable",
    });
  });
});
