import { createSocket } from "node:dgram";
import { fstatSync, readlinkSync } from "node:fs";
import { connect } from "node:net";
import { beforeAll, expect, test } from "bun:test";
import { NATIVE_PATHS } from "../../test/support/native.ts";
import { describeWith } from "../../test/support/requires.ts";
import { adoptSocket } from "../base/bun-socket.ts";
import { loadNative } from "./native-addon.ts";
import type { Native } from "./native.ts";
import type { Datagram } from "./native-sockets.ts";
import { boundUdp, inNewNetwork, listeningTcp } from "../../test/support/bound-sockets.ts";

const TEN_SECONDS = 10_000;

function never(error: Error): void {
  throw error;
}

describeWith("sockets of the native part", ["native"], () => {
  let native: Native;

  beforeAll(() => {
    native = loadNative(NATIVE_PATHS);
  });

  /** Collects datagrams until there are `count`. */
  function collect(fd: number, count: number): Promise<Datagram[]> {
    return new Promise((resolve, reject) => {
      const all: Datagram[] = [];
      native.watchDatagrams(fd, {
        batch(datagrams) {
          all.push(...datagrams);
          if (all.length >= count) resolve(all);
        },
        ended: reject,
      });
    });
  }

  const connectedTo = (port: number) =>
    native.connectSocket({ transport: "udp", address: "127.0.0.1", port, timeoutMs: TEN_SECONDS });

  test("datagrams of every length come as they were sent, and are answered to whom sent them", async () => {
    const { fd, port } = boundUdp();
    const client = createSocket("udp4");
    const lengths = [0, 1, 2, 3, 4, 5, 511, 512, 4096];
    const arrived = collect(fd, lengths.length);
    for (const length of lengths) client.send(Buffer.alloc(length, length), port, "127.0.0.1");
    const datagrams = await arrived;
    expect(datagrams.map(({ bytes }) => bytes.length).toSorted((a, b) => a - b)).toEqual(lengths);
    for (const { bytes } of datagrams) expect(bytes.every((byte) => byte === bytes.length % 256)).toBe(true);

    const echoed = new Promise<string>((resolve) =>
      client.once("message", (bytes) => resolve(String(bytes))),
    );
    const peer = datagrams[0]?.peer ?? new Uint8Array();
    expect(native.sendDatagrams(fd, [{ peer, bytes: Buffer.from("answer") }])).toBe(1);
    expect(await echoed).toBe("answer");
    native.unwatch(fd);
    native.closeFd(fd);
    client.close();
  });

  test("a datagram that is too long never comes", async () => {
    const { fd, port } = boundUdp();
    const client = createSocket("udp4");
    const arrived = collect(fd, 1);
    client.send(Buffer.alloc(4097), port, "127.0.0.1");
    client.send("short", port, "127.0.0.1");
    expect((await arrived).map(({ bytes }) => String(Buffer.from(bytes)))).toEqual(["short"]);
    native.unwatch(fd);
    native.closeFd(fd);
    client.close();
  });

  test("many datagrams go out at once, and one that the kernel refuses holds up no other", async () => {
    const { fd, port } = boundUdp();
    const client = await connectedTo(port);
    const arrived = collect(fd, 150);
    const bytes = Buffer.from("x");
    const fine = Array.from({ length: 75 }, (): Datagram => ({ peer: new Uint8Array(), bytes }));
    const wrong: Datagram = { peer: Uint8Array.of(255, 255, 0, 0), bytes };
    expect(native.sendDatagrams(client, [...fine, wrong, ...fine])).toBe(150);
    expect(await arrived).toHaveLength(150);
    native.unwatch(fd);
    for (const each of [fd, client]) native.closeFd(each);
  });

  test("while the daemon is busy nothing is read, and it is asked again afterwards", async () => {
    const { fd, port } = boundUdp();
    const client = await connectedTo(port);
    let seen = 0;
    let batches = 0;
    let turns = 0;
    const turn = (): void => {
      turns++;
      next = setImmediate(turn);
    };
    let next = setImmediate(turn);
    const done = Promise.withResolvers<void>();
    native.watchDatagrams(fd, {
      batch(datagrams) {
        seen += datagrams.length;
        batches++;
        expect(datagrams.length).toBeLessThanOrEqual(32);
        // Whoever is quicker than the daemon: as many again as were just read.
        if (batches < 400)
          native.sendDatagrams(
            client,
            datagrams.map(({ bytes }) => ({ peer: new Uint8Array(), bytes })),
          );
        else done.resolve();
      },
      ended: done.reject,
    });
    native.sendDatagrams(
      client,
      Array.from({ length: 64 }, () => ({ peer: new Uint8Array(), bytes: Buffer.of(1) })),
    );
    await done.promise;
    clearImmediate(next);
    expect(seen).toBeGreaterThan(400);
    expect(turns).toBeGreaterThan(10); // the event loop went round in between
    native.unwatch(fd);
    for (const each of [fd, client]) native.closeFd(each);
  });

  test("after unwatch() a descriptor's number may belong to another socket", async () => {
    const first = boundUdp();
    native.watchDatagrams(first.fd, { batch: () => never(new Error("the old reader")), ended: never });
    const clients = [await connectedTo(first.port)];
    const send = (text: string) =>
      native.sendDatagrams(clients.at(-1) ?? -1, [{ peer: new Uint8Array(), bytes: Buffer.from(text) }]);
    send("lost");
    native.unwatch(first.fd);
    native.closeFd(first.fd);
    const second = boundUdp();
    expect(second.fd).toBe(first.fd);
    const arrived = collect(second.fd, 1);
    clients.push(await connectedTo(second.port));
    send("new");
    expect(String(Buffer.from((await arrived)[0]?.bytes ?? []))).toBe("new");
    native.unwatch(second.fd);
    native.unwatch(second.fd); // once more is fine
    for (const fd of [second.fd, ...clients]) native.closeFd(fd);
  });

  test("a connected socket tells when nobody is there", async () => {
    const { fd: gone, port } = boundUdp();
    native.closeFd(gone);
    const fd = await connectedTo(port);
    const ended = new Promise<Error>((resolve) => {
      native.watchDatagrams(fd, { batch: () => {}, ended: resolve });
    });
    native.sendDatagrams(fd, [{ peer: new Uint8Array(), bytes: Buffer.from("?") }]);
    expect(await ended).toMatchObject({ code: "ECONNREFUSED" });
    native.closeFd(fd);
  });

  test("connections to a listening socket are handed over one by one", async () => {
    const { fd, port } = listeningTcp();
    const accepted = new Promise<number>((connection, reject) => {
      native.watchConnection(fd, { connection, ended: reject });
    });
    const clients = [connect(port, "127.0.0.1"), connect(port, "127.0.0.1")];
    const first = await accepted;
    expect(readlinkSync(`/proc/self/fd/${first}`)).toStartWith("socket:");
    const second = await new Promise<number>((connection, reject) => {
      native.watchConnection(fd, { connection, ended: reject });
    });
    expect(second).not.toBe(first);
    for (const client of clients) client.destroy();
    native.unwatch(fd);
    for (const each of [first, second, fd]) native.closeFd(each);
  });

  test("what can no longer accept says so once", async () => {
    const { fd, port } = boundUdp(); // listens to nobody: accept(2) fails at once, and would forever
    let times = 0;
    const ended = new Promise<Error>((resolve) => {
      native.watchConnection(fd, {
        connection: () => never(new Error("from a datagram socket")),
        ended(error) {
          times++;
          resolve(error);
        },
      });
    });
    const client = createSocket("udp4");
    client.send("x", port, "127.0.0.1");
    expect(await ended).toMatchObject({ errno: -95 }); // EOPNOTSUPP
    expect(times).toBe(1);
    native.closeFd(fd);
    client.close();
  });

  test.each([
    ["127.0.0.1", "ECONNREFUSED"],
    ["dns.example", "EINVAL"],
    ["fe80::1%nolink", "EINVAL"],
  ])("connectSocket() to %s rejects with the kernel's reason", async (address, code) => {
    const { fd, port } = listeningTcp();
    native.closeFd(fd);
    const connecting = native.connectSocket({ transport: "tcp", address, port, timeoutMs: TEN_SECONDS });
    expect(await connecting.catch((error: unknown) => error)).toMatchObject({ code });
  });

  test("a connection is adopted as a stream, and closed with it", async () => {
    const { fd, port } = listeningTcp();
    const accepted = new Promise<number>((connection, reject) => {
      native.watchConnection(fd, { connection, ended: reject });
    });
    const ours = await native.connectSocket({
      transport: "tcp",
      address: "127.0.0.1",
      port,
      timeoutMs: TEN_SECONDS,
    });
    const theirs = await accepted;
    const [client, server] = [await adoptSocket(ours), await adoptSocket(theirs)];
    await client.write(Buffer.from("question"));
    expect(String(await server.read())).toBe("question");
    await client.endWrite();
    expect(await server.read()).toBeUndefined();
    await server.write(Buffer.from("answer"));
    expect(String(await client.read())).toBe("answer");
    await server.endWrite();
    expect(await client.read()).toBeUndefined();
    for (const stream of [client, server]) stream.close();
    for (const each of [ours, theirs]) expect(() => fstatSync(each)).toThrow("EBADF");
    native.unwatch(fd);
    native.closeFd(fd);
  });
});

describeWith("sockets in other network namespaces", ["native", "root"], () => {
  test("connectSocket() starts where the other socket is", async () => {
    const native = loadNative(NATIVE_PATHS);
    const here = boundUdp();
    const there = inNewNetwork(() => boundUdp());
    const connected = (like: number | undefined, port: number) =>
      native.connectSocket({ transport: "udp", like, address: "127.0.0.1", port, timeoutMs: TEN_SECONDS });
    const client = await connected(there.fd, there.port);
    const arrived = new Promise<string>((resolve, reject) => {
      native.watchDatagrams(there.fd, {
        batch: ([first]) => resolve(String(Buffer.from(first?.bytes ?? []))),
        ended: reject,
      });
    });
    expect(native.sendDatagrams(client, [{ peer: new Uint8Array(), bytes: Buffer.from("inside") }])).toBe(1);
    expect(await arrived).toBe("inside");
    native.unwatch(there.fd);
    const other = await connected(undefined, here.port);
    expect(readlinkSync("/proc/thread-self/ns/net")).toBe(readlinkSync("/proc/self/ns/net"));
    for (const fd of [client, there.fd, here.fd, other]) native.closeFd(fd);
  });
});
