/**
 * `bun dns-probe.ts QUERIES`: asks, all at once, what a JSON list of `DnsQuery` says, and prints a JSON list of what came back. Each
 * is asked once: nobody repeats what a server lets fall.
 */
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { type AnswerText, query, readAnswer, TYPES } from "./dns-wire.ts";

export interface DnsQuery {
  readonly name: string;
  readonly type: string;
  /** 127.0.0.11 if nobody else is. */
  readonly server?: string;
  readonly transport?: "tcp";
  /** Announces by EDNS that it takes so much. */
  readonly udpBytes?: number;
}

const PATIENCE_MS = 15_000;

function overUdp(server: string, message: Buffer): Promise<Buffer | string> {
  const { promise, resolve } = Promise.withResolvers<Buffer | string>();
  const socket = createSocket(server.includes(":") ? "udp6" : "udp4");
  socket.on("error", () => resolve("refused"));
  socket.on("message", (bytes) => resolve(bytes));
  socket.connect(53, server, () => socket.send(message));
  setTimeout(() => resolve("no answer"), PATIENCE_MS);
  return promise.finally(() => socket.close());
}

function overTcp(server: string, message: Buffer): Promise<Buffer | string> {
  const { promise, resolve } = Promise.withResolvers<Buffer | string>();
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  const socket = connect(53, server, () => socket.write(Buffer.concat([length, message])));
  let received = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0))
      resolve(received.subarray(2));
  });
  socket.on("error", () => resolve("refused"));
  socket.on("end", () => resolve("closed"));
  setTimeout(() => resolve("no answer"), PATIENCE_MS);
  return promise.finally(() => socket.destroy());
}

async function ask(id: number, what: DnsQuery): Promise<AnswerText | string> {
  const message = query(id, what.name, TYPES[what.type] ?? 0, what.udpBytes);
  const server = what.server ?? "127.0.0.11";
  const reply = await (what.transport === "tcp" ? overTcp(server, message) : overUdp(server, message));
  if (typeof reply === "string") return reply;
  return reply.readUInt16BE(0) === id ? readAnswer(reply) : "an answer to another question";
}

if (import.meta.main) {
  const queries: readonly DnsQuery[] = JSON.parse(process.argv[2] ?? "[]");
  console.log(JSON.stringify(await Promise.all(queries.map((each, index) => ask(index + 1, each)))));
  process.exit(0);
}
