/**
 * `gantry-runc serve`: one process that stays warm and does the interpreter's part of short verbs for launchers
 * (docs/decisions/0012). It owns nothing of a container: killed at any moment it leaves what a killed gantry-runc leaves, and
 * launchers do their work themselves.
 */
import { rmSync } from "node:fs";
import { type Socket, createServer } from "node:net";
import { descriptorOf } from "../../base/socket-descriptor.ts";
import { errnoOf, messageOf } from "../../base/errors.ts";
import { readKernelFacts } from "../../linux/host-facts.ts";
import { listenAlone } from "../../linux/listen-alone.ts";
import type { Native } from "../../linux/native.ts";
import { OwnProcessNeeded } from "../../base/own-process.ts";
import type { Logger } from "../log.ts";
import { type Invocation, main } from "../main.ts";
import { encodeAnswer, encodeReady } from "./answer.ts";
import { Connection } from "./connection.ts";
import { doorkeeperOf, type Peer, peerAt, type Program } from "./peer.ts";
import { type Answer, Request } from "./request.ts";

export interface ServerOptions {
  readonly socket: string;
  readonly program: Program;
  readonly native: Native;
  readonly version: string;
  readonly commit: string;
  /** Told to end: no more requests, and those under way are finished. */
  readonly signal: AbortSignal;
  /** With `debug` one line for each request: who asked, and what came of it. */
  readonly log: Pick<Logger, "warn" | "debug">;
}

const MOST_CONNECTIONS = 1024;
const END_TIMEOUT_MS = 5000;
const YOURSELF = encodeAnswer([], { kind: "yourself" }) ?? new Uint8Array();

/** Resolves when `signal` has ended it. Throws `conflict` when another one listens there. */
export async function serve(options: ServerOptions): Promise<void> {
  const { socket, native, signal, log } = options;
  const doorkeeper = doorkeeperOf(native, options.program);
  const kernel = readKernelFacts();
  const shim = native.sealedExecutable(options.program.shim);

  const work = new Set<Promise<void>>();
  let isStale = false;
  const server = createServer((connection) => {
    const done = attend(connection).catch((error: unknown) => log.warn(messageOf(error)));
    work.add(done);
    void done.finally(() => work.delete(done));
  });
  server.maxConnections = MOST_CONNECTIONS;

  async function attend(raw: Socket): Promise<void> {
    const connection = new Connection(raw);
    try {
      const descriptor = await connection.hello();
      const fd = descriptorOf(raw);
      if (fd === undefined || descriptor === undefined) return;
      if (!isStale && !doorkeeper.isCurrent()) {
        isStale = true;
        log.warn("the program has been replaced: this process answers nobody any more");
      }
      const peer = isStale ? undefined : peerAt(doorkeeper, fd);
      if (peer === undefined) log.debug("a caller that is not to be served");
      const answer = peer && (await perform(peer, descriptor, connection, raw));
      send(raw, answer);
    } finally {
      connection.close();
    }
  }

  async function perform(
    peer: Peer,
    descriptor: number,
    connection: Connection,
    raw: Socket,
  ): Promise<Answer | undefined> {
    const request = new Request(peer, descriptor, { native, kernel }, async () => {
      const fd = descriptorOf(raw);
      if (fd !== undefined) native.sendDescriptors(fd, encodeReady(), []);
      if (!(await connection.go())) throw new OwnProcessNeeded("the caller has left");
    });
    try {
      const code = await main(invocationOf(options, peer, request));
      const answer = request.finish(code);
      log.debug(`${peer.identity.pid}: ${answer?.isBecoming === true ? "goes on" : `exit ${code}`}`);
      return answer;
    } catch (error) {
      if (error instanceof OwnProcessNeeded)
        log.debug(`${peer.identity.pid}: needs its own process: ${messageOf(error)}`);
      else log.warn(messageOf(error));
      return undefined;
    } finally {
      request.drop();
    }
  }

  function send(raw: Socket, answer: Answer | undefined): void {
    try {
      const fd = descriptorOf(raw);
      const handed = answer?.isBecoming === true ? [shim] : [];
      if (answer?.plan !== undefined) handed.push(answer.plan);
      if (fd !== undefined) native.sendDescriptors(fd, answer?.bytes ?? YOURSELF, handed);
    } catch (error) {
      // Whoever asked has been killed, or does not read.
      if (!["EPIPE", "ECONNRESET", "EAGAIN"].includes(errnoOf(error) ?? "")) throw error;
    } finally {
      if (answer?.plan !== undefined) native.closeFd(answer.plan);
    }
  }

  await listenAlone(native, server, socket);
  log.debug(`listening at ${socket}`);
  try {
    await aborted(signal);
  } finally {
    server.close();
    rmSync(socket, { force: true });
    await Promise.race([Promise.allSettled(work), later(END_TIMEOUT_MS)]);
  }
}

function invocationOf(options: ServerOptions, peer: Peer, request: Request): Invocation {
  return {
    words: peer.words,
    environment: peer.environment,
    workingDirectory: peer.workingDirectory,
    version: options.version,
    commit: options.commit,
    caller: request,
    native: () => request.native(),
    serve: () => Promise.reject(new OwnProcessNeeded("serve")),
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
