/** One connection to a server: name, address, proxy, TLS; all within one deadline. */
import { lookup } from "node:dns/promises";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { fail } from "../../base/errors.ts";
import { isLocalAddress, isLoopbackHost } from "./ip-range.ts";
import type { Proxy } from "./proxies.ts";
import { badAnswer } from "./registry-error.ts";
import type { TlsSettings } from "./trust.ts";

export interface Destination {
  readonly hostname: string;
  readonly port: number;
  /** Undefined = plain HTTP. */
  readonly tls: TlsSettings | undefined;
  readonly proxy: Proxy | undefined;
  /** False when a registry named this host, not the user: it must not lead to this machine or its link. */
  readonly mayBeLocal: boolean;
}

/** All but the last address of a name get this long: a dead IPv6 route must not cost more. */
const NEXT_ADDRESS_MS = 2_000;
const MAX_ADDRESSES = 8;
const MAX_TUNNEL_HEAD_BYTES = 16 << 10;

/** A plain connection to a proxy is for requests in absolute form; one for TLS is a tunnel. */
export async function dial(to: Destination, signal: AbortSignal): Promise<Socket> {
  const { proxy } = to;
  const kept = { socket: undefined as Socket | undefined };
  const abort = (): void => void kept.socket?.destroy();
  signal.addEventListener("abort", abort, { once: true });
  try {
    if (proxy === undefined) {
      kept.socket = await connectTcp(to.hostname, to.port, to.mayBeLocal, signal);
    } else {
      if (!to.mayBeLocal) refuseLocal(to.hostname, to.hostname);
      kept.socket = await connectTcp(proxy.hostname, proxy.port, true, signal);
      if (proxy.protocol === "https:")
        kept.socket = await protect(kept.socket, proxy.hostname, undefined, signal);
      if (to.tls !== undefined) await tunnel(kept.socket, to, proxy, signal);
    }
    if (to.tls !== undefined) kept.socket = await protect(kept.socket, to.hostname, to.tls, signal);
    signal.throwIfAborted();
    return kept.socket;
  } catch (error) {
    kept.socket?.destroy();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

async function connectTcp(
  hostname: string,
  port: number,
  mayBeLocal: boolean,
  signal: AbortSignal,
): Promise<Socket> {
  if (!mayBeLocal) refuseLocal(hostname, hostname);
  const found =
    isIP(hostname) !== 0
      ? [{ address: hostname }]
      : await untilAborted(lookup(hostname, { all: true }), signal);
  if (!mayBeLocal) for (const { address } of found) refuseLocal(address, hostname);
  const addresses = found.slice(0, MAX_ADDRESSES).map(({ address }) => address);
  for (const address of addresses.slice(0, -1)) {
    try {
      return await connectAddress(
        address,
        port,
        AbortSignal.any([signal, AbortSignal.timeout(NEXT_ADDRESS_MS)]),
      );
    } catch {
      signal.throwIfAborted();
    }
  }
  return connectAddress(addresses.at(-1) ?? hostname, port, signal);
}

function refuseLocal(address: string, hostname: string): void {
  if (isLocalAddress(address) || isLoopbackHost(address))
    throw badAnswer(
      `refusing to follow the registry to "${hostname}": an address of this machine or its link`,
    );
}

function connectAddress(address: string, port: number, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const socket = connect({ host: address, port, noDelay: true });
  return opened(socket, "connect", signal);
}

function protect(
  socket: Socket,
  hostname: string,
  tls: TlsSettings | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const secure = connectTls({
    socket,
    host: hostname,
    ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
    ...(tls === undefined ? {} : { secureContext: tls.context }),
    rejectUnauthorized: tls?.verify ?? true,
    ALPNProtocols: ["http/1.1"],
  });
  return opened(secure, "secureConnect", signal);
}

function opened<T extends Socket>(socket: T, event: string, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const abort = (): void => {
    socket.destroy();
    reject(signal.reason);
  };
  const refuse = (error: Error): void => reject(error);
  const closed = (): void => reject(fail("unavailable", "EOF"));
  socket.on("error", refuse);
  socket.once("close", closed);
  socket.once(event, () => resolve(socket));
  signal.addEventListener("abort", abort, { once: true });
  return promise.finally(() => {
    signal.removeEventListener("abort", abort);
    socket.off("close", closed);
  });
}

/** CONNECT (RFC 9110, 9.3.6). Nothing may follow the proxy's answer before we have spoken. */
async function tunnel(socket: Socket, to: Destination, proxy: Proxy, signal: AbortSignal): Promise<void> {
  const host = isIP(to.hostname) === 6 ? `[${to.hostname}]` : to.hostname;
  const authority = `${host}:${to.port}`;
  const authorization = proxy.authorization === "" ? "" : `Proxy-Authorization: ${proxy.authorization}\r\n`;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let head = "";
  const read = (chunk: Buffer): void => {
    head += chunk.toString("latin1");
    if (head.includes("\r\n\r\n")) resolve(head);
    else if (head.length > MAX_TUNNEL_HEAD_BYTES) reject(badAnswer("the proxy's answer has no end"));
  };
  const gone = (): void => reject(fail("unavailable", "the proxy closed the connection"));
  const abort = (): void => reject(signal.reason);
  socket.on("data", read);
  socket.once("close", gone);
  signal.addEventListener("abort", abort, { once: true });
  try {
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${authorization}\r\n`);
    const answer = await promise;
    const [, status = "", text = ""] = /^HTTP\/1\.[01] (\d{3}) ?([^\r\n]{0,100})/.exec(answer) ?? [];
    if (!/^2\d\d$/.test(status))
      throw fail("unavailable", `the proxy answered CONNECT with ${status} ${text}`);
    if (!answer.endsWith("\r\n\r\n")) throw badAnswer("the proxy sent more than an answer to CONNECT");
  } finally {
    socket.off("data", read);
    socket.off("close", gone);
    signal.removeEventListener("abort", abort);
  }
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", abort));
}
