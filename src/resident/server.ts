/**
 * A resident client: one process of a user that stays warm for a while and carries out short commands for `gantry`
 * (docs/decisions/0017). It owns nothing: killed at any moment it leaves a socket that refuses, and commands do their work themselves.
 */
import { rmSync } from "node:fs";
import { type Socket, createServer } from "node:net";
import type { Sink } from "../base/bun-stdio.ts";
import { messageOf } from "../base/errors.ts";
import { OwnProcessNeeded } from "../base/own-process.ts";
import { descriptorOf } from "../base/socket-descriptor.ts";
import type { Caller } from "../cli/caller.ts";
import type { Doorkeeper, Visitor } from "../linux/doorkeeper.ts";
import { listenAlone } from "../linux/listen-alone.ts";
import type { Native } from "../linux/native.ts";
import { Conversation } from "./conversation.ts";
import { RemoteCaller } from "./remote-caller.ts";

export interface Errand {
  readonly visitor: Visitor;
  readonly caller: Caller;
  readonly out: Sink;
  readonly err: Sink;
}

export interface ServerOptions {
  readonly socket: string;
  readonly native: Pick<Native, "lockFile">;
  readonly doorkeeper: Pick<Doorkeeper, "isCurrent" | "recognize">;
  /** Carries a command out and resolves with its exit status; OwnProcessNeeded: nothing has been done. */
  readonly perform: (errand: Errand) => Promise<number>;
  /** It ends by itself after so long without a command. */
  readonly idleMs: number;
  /** Told to end: no more commands, and those under way are finished. */
  readonly signal: AbortSignal;
  readonly warn: (message: string) => void;
  /** Called when it can be asked. */
  readonly onListening?: () => void;
}

/** Each has up to three to the engine; whoever comes later does its work itself. */
const MOST_CONNECTIONS = 256;
/** Whether it has been replaced, or removed, is looked at for every errand, and so often when nobody asks. */
const LOOK_EVERY_MS = 5000;

/** Resolves when it has ended: told to, idle, or replaced by another build. Throws `conflict` when another one listens there. */
export async function serve(options: ServerOptions): Promise<void> {
  const { socket, doorkeeper, signal, warn } = options;
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const work = new Set<Promise<void>>();
  let idle: ReturnType<typeof setTimeout> | undefined;

  const server = createServer((raw) => {
    clearTimeout(idle);
    const done = attend(raw).catch((error: unknown) => warn(messageOf(error)));
    work.add(done);
    void done.finally(() => {
      work.delete(done);
      if (work.size === 0) idle = setTimeout(end, options.idleMs);
    });
  });
  server.maxConnections = MOST_CONNECTIONS;

  async function attend(raw: Socket): Promise<void> {
    const conversation = new Conversation(raw);
    try {
      if (!(await conversation.hello())) return;
      const status = await answer(raw, conversation);
      await (status === undefined ? conversation.yourself() : conversation.exit(status));
    } catch (error) {
      if (!conversation.gone.aborted) throw error;
    } finally {
      conversation.close();
    }
  }

  /** Undefined: it is not for us. */
  async function answer(raw: Socket, conversation: Conversation): Promise<number | undefined> {
    const fd = descriptorOf(raw);
    if (fd === undefined) return undefined;
    if (!doorkeeper.isCurrent()) {
      end();
      return undefined;
    }
    const visitor = doorkeeper.recognize(fd);
    if (visitor === undefined) return undefined;
    const caller = new RemoteCaller(conversation, visitor.pid);
    try {
      const [out, err] = [caller.sink("output"), caller.sink("errors")];
      const status = await options.perform({ visitor, caller, out, err });
      return caller.hasOwnProcess ? undefined : status;
    } catch (error) {
      if (error instanceof OwnProcessNeeded) return undefined;
      throw error;
    }
  }

  await listenAlone(options.native, server, socket);
  // No more descriptors, say.
  server.on("error", (error) => {
    warn(messageOf(error));
    end();
  });
  if (work.size === 0) idle = setTimeout(end, options.idleMs);
  signal.addEventListener("abort", () => end());
  if (signal.aborted) end();
  options.onListening?.();
  const looking = setInterval(() => {
    if (!doorkeeper.isCurrent()) end();
  }, LOOK_EVERY_MS);
  await ended;
  clearTimeout(idle);
  clearInterval(looking);
  // First the name: who finds none does its work itself. Then those who are still in the queue.
  rmSync(socket, { force: true });
  server.close();
  await Promise.allSettled(work);
}
