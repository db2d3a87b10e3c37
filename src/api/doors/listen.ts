/** Listening sockets in front of the HTTP server: TCP, or what systemd listens on; with TLS or without. */
import { createServer, type Server } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer, type TlsOptions } from "node:tls";
import { fail, messageOf } from "../../base/errors.ts";
import type { Front } from "./front.ts";
import { peerOf } from "./peer.ts";

/** PEM. */
export interface DoorTls {
  readonly cert: string;
  readonly key: string;
  /** Clients must show a certificate that one of these has signed; undefined: whoever comes is let in. */
  readonly clientAuthorities: string | undefined;
}

export type ListenAt =
  | { readonly host: string; readonly port: number }
  /** A descriptor that the door owns from here on. */
  | { readonly fd: number };

export interface OpenDoor {
  /** The port that the kernel gave; undefined: it is no TCP socket. */
  readonly port: number | undefined;
  /** Connections from now on are met with this. */
  readonly renew: (tls: DoorTls) => void;
  /** Takes no more connections; those there are go with the front. */
  close(): void;
}

const HANDSHAKE_MS = 10_000;

/** Throws `unavailable`. */
export async function openDoor(front: Front, at: ListenAt, tls: DoorTls | undefined): Promise<OpenDoor> {
  const { server, renew } = tls === undefined ? plainServer(front) : tlsServer(front, tls);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(at, resolve);
  try {
    await promise;
  } catch (cause) {
    const name = "fd" in at ? `descriptor ${at.fd}` : `${at.host}:${at.port}`;
    throw fail("unavailable", `cannot listen on ${name}: ${messageOf(cause)}`, cause);
  }
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : undefined;
  return {
    port: typeof port === "number" ? port : undefined,
    renew,
    close: () => {
      server.close();
    },
  };
}

interface Listening {
  readonly server: Server | TlsServer;
  readonly renew: (tls: DoorTls) => void;
}

function plainServer(front: Front): Listening {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    if (front.admit(socket)) front.forward(socket);
  });
  return { server, renew: () => undefined };
}

function tlsServer(front: Front, tls: DoorTls): Listening {
  const server = createTlsServer(optionsOf(tls), (socket) => front.forward(socket, peerOf(socket)));
  server.on("connection", (socket) => front.admit(socket));
  // Whoever fails at the handshake is gone with it.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return { server, renew: (next) => server.setSecureContext(optionsOf(next)) };
}

function optionsOf({ cert, key, clientAuthorities }: DoorTls): TlsOptions {
  return {
    cert,
    key,
    ...(clientAuthorities === undefined
      ? {}
      : { ca: clientAuthorities, requestCert: true, rejectUnauthorized: true }),
    minVersion: "TLSv1.2",
    ALPNProtocols: ["http/1.1"],
    handshakeTimeout: HANDSHAKE_MS,
    allowHalfOpen: true,
  };
}
