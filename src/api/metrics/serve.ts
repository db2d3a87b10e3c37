/** `GET /metrics` on an address of the operator's. It asks nobody who they are, as Docker's. */
import { createServer, type Server } from "node:http";
import { fail, messageOf } from "../../base/errors.ts";

const HEAD_LIMIT = 16 << 10;
const TIMEOUT_MS = 10_000;
const TYPE = "text/plain; version=0.0.4; charset=utf-8";

export interface MetricsAddress {
  readonly host: string;
  readonly port: number;
}

/** "127.0.0.1:9323", "[::1]:9323", ":9323" for all addresses. Throws `invalid_argument`. */
export function parseMetricsAddress(text: string): MetricsAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535)
    throw fail("invalid_argument", `"${text.slice(0, 100)}" is no HOST:PORT for metrics-addr`);
  return { host: match[1] ?? match[2] ?? "", port };
}

/** Throws `unavailable` when it cannot listen there. The server's end is its caller's. */
export async function serveMetrics(
  { host, port }: MetricsAddress,
  metrics: { readonly text: () => string },
): Promise<Server> {
  const server = createServer(
    { maxHeaderSize: HEAD_LIMIT, headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS },
    (request, response) => {
      request.resume();
      const [path] = (request.url ?? "").split("?");
      const isAsked = path === "/metrics" && (request.method === "GET" || request.method === "HEAD");
      const body = Buffer.from(isAsked ? metrics.text() : "404 page not found\n");
      response.writeHead(isAsked ? 200 : 404, { "Content-Type": TYPE, "Content-Length": body.length });
      response.end(request.method === "HEAD" ? undefined : body);
    },
  );
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(host === "" ? { port } : { port, host }, resolve);
  try {
    await promise;
  } catch (error) {
    throw fail("unavailable", `cannot serve metrics on "${host}:${port}": ${messageOf(error)}`, error);
  }
  return server;
}
