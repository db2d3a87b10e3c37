import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { fstatSync, readdirSync } from "node:fs";
import { connect, createServer, type Server, type Socket as TcpSocket } from "node:net";
import { afterEach, beforeAll, expect, test } from "bun:test";
import { boundUdp, duplicated, inNewNetwork, listeningTcp } from "../../../../test/support/bound-sockets.ts";
import { builtNative } from "../../../../test/support/native.ts";
import { describeWith } from "../../../../test/support/requires.ts";
import { until } from "../../../../test/support/until.ts";
import { errnoOf } from "../../../base/errors.ts";
import type { Native } from "../../../linux/native.ts";
import { DNS_LIMITS, type DnsLimits } from "./dns.ts";
import { frame } from "./frames.ts";
import { FLAG, type Message, RCODE, readMessage, TYPE } from "./message.ts";
import { type NameView, networkNames, type Upstream } from "./name-view.ts";
import { DnsServer } from "./server.ts";
import { queryBytes, responseBytes } from "./testing/message-builder.ts";

const NET = networkNames("net", [
  { name: "web", aliases: ["www"], v4: [Uint8Array.of(172, 20, 0, 2)], v6: [] },
  ...Array.from({ length: 100 }, (_, at) => ({
    name: "many",
    aliases: [],
    v4: [Uint8Array.of(172, 20, 1, at)],
    v6: [],
  })),
]);

const VIEW: NameView = {
  networks: [NET],
  hosts: new Map(),
  links: new Map(),
  upstreams: [],
  hasWayOut: true,
  hasOwnNdots: false,
};

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const undo of cleanups.splice(0).reverse()) undo();
});

let native: Native;
beforeAll(() => {
  native = builtNative();
});

interface Served {
  readonly server: DnsServer;
  readonly udpPort: number;
  readonly tcpPort: number;
  readonly udpFd: number;
  readonly tcpFd: number;
}

function serve(upstreams: readonly Upstream[] = [], limits: Partial<DnsLimits> = {}): Served {
  const server = new DnsServer({ native, limits });
  const [udp, tcp] = [boundUdp(), listeningTcp()];
  server.add("c1", { udpFd: udp.fd, tcpFd: tcp.fd }, () => ({ ...VIEW, upstreams }));
  cleanups.push(() => server.close());
  return { server, udpPort: udp.port, tcpPort: tcp.port, udpFd: udp.fd, tcpFd: tcp.fd };
}

async function client(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  cleanups.push(() => socket.close());
  return socket;
}

async function ask(port: number, query: Uint8Array): Promise<Message> {
  const socket = await client();
  const answer = new Promise<Buffer>((resolve) => socket.once("message", resolve));
  socket.send(query, port, "127.0.0.1");
  return readMessage(await answer);
}

/** Orderly or not. */
async function closed(socket: TcpSocket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
  });
}

async function readFrames(socket: TcpSocket, count: number): Promise<Message[]> {
  const messages: Message[] = [];
  let rest = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    const take = (chunk: Buffer): void => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const end = 2 + rest.readUInt16BE(0);
        messages.push(readMessage(rest.subarray(2, end)));
        rest = rest.subarray(end);
      }
      if (messages.length < count) return;
      socket.off("data", take);
      resolve(messages);
    };
    socket.on("data", take);
  });
}

/** On one port. One that is free for the one may be somebody's for the other: then it is tried again. */
async function pairOfSockets(): Promise<{ readonly udp: Socket; readonly tcp: Server }> {
  for (;;) {
    const udp = await client();
    const tcp = createServer();
    try {
      tcp.listen(udp.address().port, "127.0.0.1");
      await once(tcp, "listening");
      cleanups.push(() => tcp.close());
      return { udp, tcp };
    } catch (error) {
      if (errnoOf(error) !== "EADDRINUSE") throw error;
    }
  }
}

/** Another server on one port for both transports: what it answers to a query, all of it, in order. */
async function upstream(
  answers: (query: Buffer, transport: "udp" | "tcp") => readonly Uint8Array[],
): Promise<Upstream & { readonly seen: Buffer[]; readonly ports: Set<number> }> {
  const { udp, tcp } = await pairOfSockets();
  const { port } = udp.address();
  const seen: Buffer[] = [];
  const ports = new Set<number>();
  udp.on("message", (query, from) => {
    seen.push(query);
    ports.add(from.port);
    for (const answer of answers(query, "udp")) udp.send(answer, from.port, from.address);
  });
  tcp.on("connection", (socket: TcpSocket) => {
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      const query = chunk.subarray(2);
      seen.push(query);
      for (const answer of answers(query, "tcp")) socket.write(frame(answer));
    });
  });
  return { address: "127.0.0.1", port, through: "host", seen, ports };
}

const A = { type: TYPE.A, data: Uint8Array.of(192, 0, 2, 7) };
const bigAnswer = (count: number) => Array.from({ length: count }, () => A);

describeWith("the name server", ["native"], () => {
  test("local names are answered on both transports", async () => {
    const { server, udpPort, tcpPort } = serve();
    const answer = await ask(udpPort, queryBytes({ id: 7, name: "wwW" }));
    expect([answer.id, answer.answers[0]?.data]).toEqual([7, Buffer.of(172, 20, 0, 2)]);

    const cut = await ask(udpPort, queryBytes({ name: "many" }));
    expect(cut.flags & FLAG.TC).toBe(FLAG.TC);
    const socket = connect(tcpPort, "127.0.0.1");
    socket.write(frame(queryBytes({ name: "many" })));
    const whole = await readFrames(socket, 1);
    expect(whole[0]?.answers).toHaveLength(100);
    socket.destroy();
    expect(server.counters).toEqual({ queries: 3, answered: 3, forwarded: 0, unanswered: 0, dropped: 0 });
  });

  test("queries on one connection may follow each other, in any pieces, and are all answered", async () => {
    const { tcpPort } = serve();
    const socket = connect(tcpPort, "127.0.0.1");
    socket.setNoDelay(true);
    const stream = Buffer.concat(
      Array.from({ length: 40 }, (_, id) => Buffer.from(frame(queryBytes({ id, name: "web" })))),
    );
    for (let at = 0; at < stream.length; at += 17) socket.write(stream.subarray(at, at + 17));
    socket.end();
    const answers = await readFrames(socket, 40);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(40);
  });

  test("an unknown name is asked elsewhere, with another id and from another port each time", async () => {
    const other = await upstream((query) => [responseBytes(query, [A])]);
    const { udpPort, server } = serve([other]);
    const id = 7;
    for (let round = 0; round < 5; round++) {
      const answer = await ask(
        udpPort,
        queryBytes({ id, name: "Example.Com", udpBytes: 1232, isDnssecOk: true }),
      );
      expect([answer.id, answer.answers[0]?.data]).toEqual([id, Buffer.from(A.data)]);
    }
    expect(server.counters.forwarded).toBe(5);
    expect(other.ports.size).toBeGreaterThan(1);
    expect(new Set(other.seen.map((query) => query.readUInt16BE(0))).size).toBeGreaterThan(1);
    // but for the id nothing is changed: neither case nor EDNS nor DO
    for (const query of other.seen)
      expect(query.subarray(2)).toEqual(
        queryBytes({ name: "Example.Com", udpBytes: 1232, isDnssecOk: true }).subarray(2),
      );
  });

  test("what is not an answer to the question is ignored", async () => {
    const other = await upstream((query) => {
      const wrongId = responseBytes(query, []);
      wrongId[0] = (wrongId[0] ?? 0) ^ 1;
      const wrongName = responseBytes(query, []);
      wrongName[13] = 0x7a;
      const wrongType = responseBytes(query, []);
      wrongType[wrongType.length - 3] = TYPE.AAAA;
      const broken = responseBytes(query, [A]).subarray(0, -1);
      return [wrongId, wrongName, wrongType, broken, query, responseBytes(query, [A])];
    });
    const { udpPort } = serve([other]);
    const answer = await ask(udpPort, queryBytes({ name: "example.com" }));
    expect([answer.rcode, answer.answers.length]).toEqual([RCODE.NOERROR, 1]);
  });

  test("the next server is asked when one is silent, absent, fails or refuses", async () => {
    const silent = await upstream(() => []);
    const failing = (rcode: number) =>
      upstream((query) => [responseBytes(query, [], { flags: FLAG.QR | rcode })]);
    const gone: Upstream = { address: "127.0.0.1", port: 1, through: "host" };
    const good = await upstream((query) => [responseBytes(query, [A])]);
    for (const first of [silent, gone, await failing(RCODE.SERVFAIL), await failing(RCODE.REFUSED)]) {
      const { udpPort } = serve([first, good], { upstreamMs: 100 });
      expect((await ask(udpPort, queryBytes({ name: "x.y" }))).answers).toHaveLength(1);
    }
    const { udpPort, server } = serve([await failing(RCODE.NXDOMAIN), good]);
    expect((await ask(udpPort, queryBytes({ name: "x.y" }))).rcode).toBe(RCODE.NXDOMAIN);
    const none = serve([silent, gone], { upstreamMs: 50 });
    expect((await ask(none.udpPort, queryBytes({ name: "x.y" }))).rcode).toBe(RCODE.SERVFAIL);
    expect([server.counters.forwarded, none.server.counters.unanswered]).toEqual([1, 1]);
  });

  test("a cut answer is fetched over TCP for a client that takes it, and handed on as it is otherwise", async () => {
    const other = await upstream((query, transport) =>
      transport === "udp"
        ? [responseBytes(query, [], { flags: FLAG.QR | FLAG.TC })]
        : [responseBytes(query, bigAnswer(100))],
    );
    const { udpPort, tcpPort } = serve([other]);
    const whole = await ask(udpPort, queryBytes({ name: "x.y", udpBytes: 4096 }));
    expect([whole.answers.length, whole.flags & FLAG.TC]).toEqual([100, 0]);
    const cut = await ask(udpPort, queryBytes({ name: "x.y", udpBytes: 1232 }));
    expect([cut.answers.length, cut.flags & FLAG.TC]).toEqual([0, FLAG.TC]);
    const socket = connect(tcpPort, "127.0.0.1");
    socket.write(frame(queryBytes({ name: "x.y" })));
    expect((await readFrames(socket, 1))[0]?.answers).toHaveLength(100);
    socket.destroy();
  });

  test("asking elsewhere leaves no descriptor behind", async () => {
    const other = await upstream((query, transport) => [
      responseBytes(query, [A], { flags: FLAG.QR | (transport === "udp" ? FLAG.TC : 0) }),
    ]);
    const { udpPort } = serve([other]);
    const socket = await client();
    const descriptors = (): number => readdirSync("/proc/self/fd").length;
    const askOnce = async (): Promise<void> => {
      const answered = once(socket, "message");
      socket.send(queryBytes({ name: "x.y", udpBytes: 4096 }), udpPort, "127.0.0.1");
      await answered;
    };
    await askOnce();
    const before = descriptors();
    for (let round = 0; round < 20; round++) await askOnce();
    await until("all are closed", () => descriptors() <= before);
  });

  test("an answer longer than the client takes is cut", async () => {
    const other = await upstream((query) => [responseBytes(query, bigAnswer(100))]);
    const { udpPort } = serve([other]);
    const cut = await ask(udpPort, queryBytes({ name: "x.y" }));
    expect([cut.answers.length, cut.flags & FLAG.TC, cut.questions.length]).toEqual([0, FLAG.TC, 1]);
  });

  test("beyond a limit there is silence", async () => {
    const silent = await upstream(() => []);
    const { server, udpPort } = serve([silent], { forwardsOfOne: 2, queriesPerSecond: 5 });
    const socket = await client();
    for (let id = 0; id < 3; id++) socket.send(queryBytes({ id, name: "x.y" }), udpPort, "127.0.0.1");
    await until("the third is dropped", () => server.counters.dropped === 1);
    for (let id = 0; id < 20; id++) socket.send(queryBytes({ id, name: "web" }), udpPort, "127.0.0.1");
    await until("all came", () => server.counters.queries === 23);
    expect(server.counters.answered).toBeLessThan(12);
    expect(server.counters.dropped).toBe(21 - server.counters.answered);
  });

  test("connections beyond the limit wait until one is closed", async () => {
    const { tcpPort } = serve([], { connections: 2 });
    const sockets = [1, 2, 3].map(() => connect(tcpPort, "127.0.0.1"));
    const [first, second, third] = sockets;
    if (first === undefined || second === undefined || third === undefined) throw new Error("three of them");
    for (const socket of [first, second]) {
      socket.write(frame(queryBytes({ name: "web" })));
      await readFrames(socket, 1);
    }
    third.write(frame(queryBytes({ name: "web" })));
    let isAnswered = false;
    const answered = (async () => {
      await readFrames(third, 1);
      isAnswered = true;
    })();
    second.write(frame(queryBytes({ name: "web" })));
    await readFrames(second, 1);
    expect(isAnswered).toBe(false);
    first.destroy();
    await answered;
    for (const socket of sockets) socket.destroy();
  });

  test("an idle connection is closed, and one that sends nonsense", async () => {
    const { tcpPort } = serve([], { idleMs: 50 });
    const idle = connect(tcpPort, "127.0.0.1");
    idle.resume();
    idle.on("error", () => {});
    await closed(idle);
    const long = connect(serve([], { idleMs: 60_000 }).tcpPort, "127.0.0.1");
    long.resume();
    long.on("error", () => {});
    long.write(Buffer.of(0xff, 0xff, 1));
    await closed(long);
  });

  test("remove() closes everything at once, and what others hold of the socket serves the next server", async () => {
    const silent = await upstream(() => []);
    const { server, udpPort, udpFd, tcpFd, tcpPort } = serve([silent]);
    const [keptUdp, keptTcp] = [duplicated(udpFd), duplicated(tcpFd)];
    const idle = connect(tcpPort, "127.0.0.1");
    idle.resume();
    idle.on("error", () => {});
    idle.write(frame(queryBytes({ name: "web" })));
    const socket = await client();
    socket.send(queryBytes({ name: "x.y" }), udpPort, "127.0.0.1");
    await until("both are under way", () => server.counters.queries === 2);
    const isClosed = closed(idle);
    server.remove("c1");
    server.remove("c1");
    await isClosed;
    for (const fd of [udpFd, tcpFd]) expect(() => fstatSync(fd)).toThrow("EBADF");

    const waiting = ask(udpPort, queryBytes({ name: "web" })); // while nobody serves
    const next = new DnsServer({ native });
    next.add("c1", { udpFd: keptUdp, tcpFd: keptTcp }, () => VIEW);
    expect((await waiting).answers).toHaveLength(1);
    for (let round = 0; round < 20; round++) await ask(udpPort, queryBytes({ name: "web" }));
    expect([server.counters.queries, next.counters.queries]).toEqual([2, 21]);
    next.close();
  });

  test("remove() closes no descriptor that is still watched", () => {
    const calls: string[] = [];
    const recorded: Native = {
      ...native,
      unwatch(fd) {
        calls.push(`unwatch ${fd}`);
        native.unwatch(fd);
      },
      closeFd(fd) {
        calls.push(`close ${fd}`);
        native.closeFd(fd);
      },
    };
    const server = new DnsServer({ native: recorded });
    const [udp, tcp] = [boundUdp().fd, listeningTcp().fd];
    server.add("c1", { udpFd: udp, tcpFd: tcp }, () => VIEW);
    server.remove("c1");
    expect(calls).toEqual([`unwatch ${udp}`, `close ${udp}`, `unwatch ${tcp}`, `close ${tcp}`]);
  });

  test("a container cannot be served twice", () => {
    const { server } = serve();
    const [udp, tcp] = [boundUdp(), listeningTcp()];
    expect(() => server.add("c1", { udpFd: udp.fd, tcpFd: tcp.fd }, () => VIEW)).toThrow("already");
    expect(() => fstatSync(udp.fd)).toThrow("EBADF");
  });

  test("garbage from everywhere leaves it standing", async () => {
    const { server, udpPort } = serve();
    const socket = await client();
    for (let round = 0; round < 50; round++)
      socket.send(crypto.getRandomValues(new Uint8Array(round * 5)), udpPort, "127.0.0.1");
    await until("all came", () => server.counters.queries === 50);
    expect((await ask(udpPort, queryBytes({ name: "web" }))).answers).toHaveLength(1);
  });
});

describeWith("the name server and network namespaces", ["native", "root"], () => {
  test("a server of the container's own is asked from inside, the host's from outside", async () => {
    const outside = await upstream((query) => [responseBytes(query, [A])]);
    const inner = inNewNetwork(() => ({
      udp: boundUdp(),
      tcp: listeningTcp(),
      other: boundUdp(outside.port),
    }));
    const server = new DnsServer({ native, limits: { upstreamMs: 2000 } });
    cleanups.push(() => server.close());
    let through: Upstream["through"] = "container";
    server.add("c1", { udpFd: inner.udp.fd, tcpFd: inner.tcp.fd }, () => ({
      ...VIEW,
      upstreams: [{ address: "127.0.0.1", port: outside.port, through }],
    }));
    const asker = await native.connectSocket({
      transport: "udp",
      like: inner.other.fd,
      address: "127.0.0.1",
      port: inner.udp.port,
      timeoutMs: 1000,
    });
    const asked = new Promise<Buffer>((resolve, reject) => {
      native.watchDatagrams(inner.other.fd, {
        batch: ([first]) => resolve(Buffer.from(first?.bytes ?? [])),
        ended: reject,
      });
    });
    const send = () =>
      native.sendDatagrams(asker, [{ peer: new Uint8Array(), bytes: queryBytes({ name: "x.y" }) }]);
    send();
    expect(readMessage(await asked).questions[0]?.name).toBe("x.y");
    expect(outside.seen).toHaveLength(0);
    through = "host";
    send();
    await until("it is asked outside", () => outside.seen.length === 1);
    native.unwatch(inner.other.fd);
    for (const fd of [inner.other.fd, asker]) native.closeFd(fd);
  });
});

test("the limits are Docker's where it has them", () => {
  expect([DNS_LIMITS.forwardsOfAll, DNS_LIMITS.upstreamMs]).toEqual([1024, 4000]);
});
