/**
 * The HTTP face: `node:http` servers on unix socket paths, with the same routes behind all of them. A request finds its route
 * by path segments, gets a number and (on demand) an abort signal, and its handler answers through `Call.reply`. Nothing but
 * the gate of authorization plugins, if there are any, runs before or after a handler.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { fail, messageOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { AuthorizationGate } from "./authz/gate.ts";
import { Call } from "./call.ts";
import type { Peer } from "./doors/peer.ts";
import { statusOf } from "./errors.ts";
import type { RequestObserver } from "./metrics/metrics.ts";
import { Query } from "./query.ts";
import { bannerOf, PlainReply, type Reply, UpgradeReply } from "./reply.ts";
import { type Route, Router } from "./router.ts";
import { CURRENT_MINOR, parseVersion } from "./version.ts";

export interface ApiOptions {
  readonly version: string;
  /** The oldest API version that is served, 1.NN; absent = the oldest that there is. */
  readonly minimumMinor?: number;
  readonly routes: readonly Route[];
  /** Requests wait for it: the socket listens before the containers of an earlier run are back. */
  readonly ready: Promise<void>;
  readonly log: Logger;
  /** Told of every request that had a route, when its handler is done. */
  readonly observer?: RequestObserver | undefined;
  /** Has its say before a handler is called, and about its answer. */
  readonly gate?: AuthorizationGate | undefined;
  /** Told every parameter of the query that a route's handler asks for. Tests compare it with what is documented. */
  readonly onQuery?: (route: string, name: string) => void;
}

export type ApiServer = Server;

const HEADER_LIMIT = 1 << 20;
const KEEP_ALIVE_MS = 120_000;
/** A client gets this long to send its request's head; bodies may take as long as they like. */
const HEAD_TIMEOUT_MS = 60_000;

/** One server alone. */
export function createApiServer(options: ApiOptions): ApiServer {
  return createApi(options)("anybody");
}

/**
 * Whom a server answers. "programs": requests that a browser's page made are refused; for doors that ask nobody who he is,
 * where a page could otherwise do what its reader can.
 */
export type Callers = "anybody" | "programs";

/** Of one client, when `peer` says who that is. */
export type MakeServer = (callers: Callers, peer?: Peer) => ApiServer;

/** Makes servers that count and route requests together. */
export function createApi(options: ApiOptions): MakeServer {
  const router = new Router(options.routes);
  const banner = bannerOf(options.version);
  const log = options.log.with({ component: "api" });
  let requests = 0;
  let waitFor: Promise<void> | undefined = options.ready.finally(() => {
    waitFor = undefined;
  });
  waitFor.catch(() => undefined);

  const serve = async (request: IncomingMessage, reply: Reply, peer: Peer | undefined): Promise<void> => {
    const id = ++requests;
    const method = request.method ?? "GET";
    const url = request.url ?? "/";
    const { observer, gate } = options;
    const began = observer === undefined ? 0 : performance.now();
    let route: string | undefined;
    try {
      if (waitFor !== undefined) await waitFor;
      if (method === "OPTIONS") {
        reply.empty(200);
        return;
      }
      const target = parseTarget(url);
      const match = target === undefined ? undefined : router.match(method, target.segments);
      if (target === undefined || match === undefined) {
        reply.error(fail("not_found", "page not found"));
        return;
      }
      route = match.name;
      const minor =
        target.version === undefined ? CURRENT_MINOR : parseVersion(target.version, options.minimumMinor);
      const { onQuery } = options;
      const query = new Query(target.query, onQuery && ((name) => onQuery(match.name, name)));
      const asked = { params: match.params, query, minor };
      if (gate === undefined || !gate.isClosed) await match.handler(new Call(id, request, reply, asked));
      else {
        const uri = uriOf(target);
        const { body, reply: held } = await gate.admit(request, reply, { route, uri, peer });
        await match.handler(new Call(id, request, held, asked, body));
        await held.settled();
      }
      log.debug("answered", { request: id, method, url: url.slice(0, 500) });
    } catch (error) {
      const status = statusOf(error);
      const fields = {
        request: id,
        method,
        url: url.slice(0, 500),
        status,
        error: messageOf(error).slice(0, 1000),
      };
      if ((status === 500 || status === 503) && !reply.isAbandoned) log.error("request failed", fields);
      else log.debug("refused", fields);
      reply.error(error);
    }
    if (observer !== undefined && route !== undefined)
      observer.answered(route, reply.status, (performance.now() - began) / 1000);
  };

  return (callers, peer) => {
    const answer = (request: IncomingMessage, reply: Reply): void => {
      if (callers === "programs" && isFromBrowser(request)) {
        log.warn("refused a browser's request", {
          origin: request.headers.origin,
          url: request.url?.slice(0, 500),
        });
        reply.error(
          fail("forbidden", "requests of browsers are not answered without TLS client certificates"),
        );
      } else void serve(request, reply, peer);
    };
    const server = createServer(
      {
        maxHeaderSize: HEADER_LIMIT,
        requestTimeout: 0,
        headersTimeout: HEAD_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
      },
      (request: IncomingMessage, response: ServerResponse) =>
        answer(request, new PlainReply(response, banner)),
    );
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      answer(request, new UpgradeReply(request, socket, head, banner)),
    );
    server.on("clientError", (_error: Error, socket: Duplex) => {
      if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
      else socket.destroy();
    });
    return server;
  };
}

/** A page can neither leave these out nor make them up; pages of a name that was pointed at this host have the last. */
function isFromBrowser({ headers }: IncomingMessage): boolean {
  return (
    headers.origin !== undefined ||
    headers["sec-fetch-site"] !== undefined ||
    headers["user-agent"]?.startsWith("Mozilla/") === true
  );
}

interface Target {
  readonly version: string | undefined;
  readonly segments: readonly string[];
  readonly query: string;
}

/** As the engine has understood it: whoever judges it sees no other spelling. */
function uriOf({ version, segments, query }: Target): string {
  const path = segments.map((segment) => `/${encodeURIComponent(segment).replaceAll("%3A", ":")}`).join("");
  return `${version === undefined ? "" : `/v${version}`}${path}${query === "" ? "" : `?${query}`}`;
}

/** Undefined for a path that no route can have. */
function parseTarget(url: string): Target | undefined {
  const mark = url.indexOf("?");
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? "" : url.slice(mark + 1);
  if (!path.startsWith("/")) return undefined;
  let segments = path.split("/").slice(1);
  if (path.includes("%")) {
    try {
      segments = segments.map(decodeURIComponent);
    } catch {
      return undefined;
    }
  }
  if (segments.some((segment) => segment.includes("\0"))) return undefined;
  const first = segments[0] ?? "";
  if (!/^v[0-9.]+$/.test(first)) return { version: undefined, segments, query };
  return { version: first.slice(1), segments: segments.slice(1), query };
}
