/** What has to do with the connection rather than with images: who calls from where, and what is left of a body. */
import type { IncomingMessage } from "node:http";
import { refuse } from "./refusal.ts";
import type { Peer } from "./registry.ts";

/** A client that is refused while it sends reads the answer only afterwards; so much of the rest is taken, and no longer. */
const DISCARD_BYTES = 1 << 20;
const DISCARD_MS = 2_000;

/** "https://registry.example:5000": where the client thinks we are. Only what can be a host gets into a header. */
export function originOf(request: IncomingMessage, peer: Peer): string {
  const host = request.headers.host ?? "";
  const isHost = /^(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/.test(host);
  return `${peer.isSecure ? "https" : "http"}://${isHost ? host : "localhost"}`;
}

/** Makes sure that a connection whose request was not read to its end is not mistaken for one that is ready for the next. */
export async function discardBody(request: IncomingMessage): Promise<void> {
  if (request.complete || request.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, DISCARD_MS);
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > DISCARD_BYTES) resolve();
  });
  for (const event of ["end", "close", "error"]) request.once(event, () => resolve());
  request.resume();
  await promise;
  clearTimeout(timer);
  if (!request.complete) request.socket.destroy();
}

/** Bodies sent at the same time, counted by client. */
export function transferLimit(
  most: number,
): (method: string, client: string, work: () => Promise<void>) => Promise<void> {
  const going = new Map<string, number>();
  return async (method, client, work) => {
    if (method === "GET" || method === "HEAD" || method === "DELETE") return work();
    const before = going.get(client) ?? 0;
    if (before >= most)
      throw refuse("TOOMANYREQUESTS", {
        message: "too many uploads at the same time",
        headers: { "Retry-After": "1" },
      });
    going.set(client, before + 1);
    try {
      await work();
    } finally {
      const left = (going.get(client) ?? 1) - 1;
      if (left > 0) going.set(client, left);
      else going.delete(client);
    }
  };
}
