/** A registry that does what a test tells it to, and remembers what it was asked. On loopback. */
import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { rejection } from "../../../base/testing/rejection.ts";

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

export type Handler = (request: SeenRequest, response: http.ServerResponse) => void | Promise<void>;

export interface Scripted extends AsyncDisposable {
  /** "127.0.0.1:port" */
  readonly host: string;
  readonly origin: string;
  readonly seen: SeenRequest[];
  readonly connections: () => number;
}

export interface ServerCertificate {
  readonly key: string;
  readonly cert: string;
  /** Insist on a certificate of the client, by this authority. */
  readonly clientAuthority?: string;
}

export async function scripted(handler: Handler, tls?: ServerCertificate): Promise<Scripted> {
  const seen: SeenRequest[] = [];
  const serve = async (message: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    message.on("data", (chunk: Buffer) => chunks.push(chunk));
    await once(message, "end");
    const url = new URL(message.url ?? "/", "http://scripted");
    const request = {
      method: message.method ?? "",
      path: message.url?.startsWith("http") === true ? message.url : url.pathname,
      query: url.searchParams,
      headers: message.headers,
      body: Buffer.concat(chunks),
    };
    seen.push(request);
    await handler(request, response);
  };
  const listener = (message: http.IncomingMessage, response: http.ServerResponse): void => {
    serve(message, response).catch(() => response.destroy());
  };
  const server =
    tls === undefined
      ? http.createServer(listener)
      : https.createServer(
          {
            key: tls.key,
            cert: tls.cert,
            ...(tls.clientAuthority === undefined
              ? {}
              : { requestCert: true, rejectUnauthorized: true, ca: tls.clientAuthority }),
          },
          listener,
        );
  let connections = 0;
  server.on("connection", () => connections++);
  const port = await listen(server);
  return {
    host: `127.0.0.1:${port}`,
    origin: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    seen,
    connections: () => connections,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const TLS_HANDSHAKE = 0x16;

/** Speaks bytes: `talk` gets the connection and the head of each request that has no body. */
export async function scriptedBytes(
  talk: (socket: net.Socket, head: string) => void,
): Promise<Scripted & { readonly heads: string[] }> {
  const heads: string[] = [];
  let connections = 0;
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    connections++;
    sockets.add(socket);
    let head = "";
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (chunk) => {
      // The client tries TLS first: no script is about that.
      if (chunk[0] === TLS_HANDSHAKE && head === "") {
        socket.destroy();
        return;
      }
      head += chunk.toString("latin1");
      while (head.includes("\r\n\r\n")) {
        const end = head.indexOf("\r\n\r\n") + 4;
        const one = head.slice(0, end);
        head = head.slice(end);
        heads.push(one);
        talk(socket, one);
      }
    });
  });
  const port = await listen(server);
  return {
    host: `127.0.0.1:${port}`,
    origin: `http://127.0.0.1:${port}`,
    seen: [],
    heads,
    connections: () => connections,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

async function listen(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not listening on a port");
  return address.port;
}

/** Reads everything, as one who stores blobs does. */
export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export function failureOf(source: AsyncIterable<Uint8Array>): Promise<Error> {
  return rejection(collect(source));
}

export function answer(
  response: http.ServerResponse,
  status: number,
  headers: http.OutgoingHttpHeaders = {},
  body: string | Uint8Array = "",
): void {
  response.writeHead(status, { "Content-Length": Buffer.byteLength(body), ...headers });
  response.end(body);
}

export function errorBody(code: string, message: string): string {
  return JSON.stringify({ errors: [{ code, message }] });
}
