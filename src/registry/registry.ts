/**
 * The registry, put together: what a process that has a content store and a metadata store needs to serve images. Whoever
 * makes it hands requests to `handle` (see listen.ts for sockets) and closes it at the end.
 *
 * On crash: everything a client was told is on the disk, uploads go on where they were, and the next start needs no repair.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isCategory, messageOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Content } from "../core/content/content.ts";
import type { Leases } from "../core/metadata/leases.ts";
import type { Metadata } from "../core/metadata/metadata.ts";
import type { Rights } from "./auth/access.ts";
import { type Gate, OPEN_GATE } from "./auth/gate.ts";
import { needOf } from "./auth/scope.ts";
import type { Call } from "./call.ts";
import { collectGarbage, type Collected, type CollectRules } from "./collect.ts";
import { discardBody, originOf, transferLimit } from "./connection.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { Metrics } from "./metrics.ts";
import { Mirror } from "./mirror.ts";
import { refuse } from "./refusal.ts";
import { Reply } from "./reply.ts";
import { Repositories } from "./repositories.ts";
import { answer, type RouteDeps } from "./routes.ts";
import { parseTarget, type Target } from "./target.ts";
import type { Upstream } from "./upstream.ts";
import { Uploads } from "./uploads.ts";

export interface RegistryOptions {
  /** Nobody else's: its garbage is collected here. */
  readonly content: Content;
  readonly metadata: Metadata;
  readonly leases: Leases;
  readonly log: Logger;
  readonly gate?: Gate;
  readonly limits?: Partial<Limits>;
  readonly collect?: Partial<CollectRules>;
  readonly isReadOnly?: boolean;
  /** Serves what this has, and takes no pushes. */
  readonly upstream?: Upstream;
  readonly tagMaxAgeMs?: number;
  readonly now?: () => number;
}

/** What a listener knows of the connection a request came over. */
export interface Peer {
  readonly address: string;
  readonly isSecure: boolean;
}

export interface Registry {
  /** Answers one request; never throws. */
  handle(request: IncomingMessage, response: ServerResponse, peer: Peer): Promise<void>;
  /** One run at a time: who asks during one gets the result of that one. */
  collect(): Promise<Collected>;
  /** For Prometheus. */
  metrics(): string;
  /** Ends uploads, keeping their bytes, and fetches from the upstream. The stores stay open: they are the caller's. */
  close(): Promise<void>;
}

const HOUR_MS = 3600_000;
const DEFAULT_TAG_MAX_AGE_MS = 60_000;
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);
const MAX_TARGET = 8 << 10;

export function createRegistry(options: RegistryOptions): Registry {
  return new ServedRegistry(options);
}

class ServedRegistry implements Registry {
  readonly #options: RegistryOptions;
  readonly #limits: Limits;
  readonly #gate: Gate;
  readonly #log: Logger;
  readonly #routes: RouteDeps;
  readonly #metrics = new Metrics();
  readonly #transfers: ReturnType<typeof transferLimit>;
  readonly #end = new AbortController();
  #requests = 0;
  #collecting: Promise<Collected> | undefined;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#gate = options.gate ?? OPEN_GATE;
    this.#log = options.log.with({ component: "registry" });
    this.#transfers = transferLimit(this.#limits.maxTransfersPerClient);
    const { content, leases, upstream } = options;
    const now = options.now ?? Date.now;
    const repositories = new Repositories(options.metadata);
    const uploads = new Uploads({ content, leases, repositories, limits: this.#limits, now });
    const mirror =
      upstream === undefined
        ? undefined
        : new Mirror({
            upstream,
            content,
            leases,
            repositories,
            now,
            log: this.#log,
            tagMaxAgeMs: options.tagMaxAgeMs ?? DEFAULT_TAG_MAX_AGE_MS,
          });
    this.#routes = { content, leases, repositories, uploads, mirror, now };
  }

  async handle(request: IncomingMessage, response: ServerResponse, peer: Peer): Promise<void> {
    const start = performance.now();
    const method = request.method ?? "GET";
    const reply = new Reply(response, { headOnly: method === "HEAD", idleMs: this.#limits.idleMs });
    this.#requests++;
    try {
      if (this.#requests > this.#limits.maxRequests || this.#end.signal.aborted)
        throw refuse("UNAVAILABLE", { headers: { "Retry-After": "5" } });
      await this.#serve(request, reply, peer);
    } catch (error) {
      this.#report(error, reply, request);
      reply.error(error);
    } finally {
      this.#requests--;
      this.#metrics.sent(reply.bytes);
      this.#metrics.answered(
        METHODS.has(method) ? method : "other",
        reply.status,
        (performance.now() - start) / 1000,
      );
      await discardBody(request);
    }
  }

  async #serve(request: IncomingMessage, reply: Reply, peer: Peer): Promise<void> {
    const method = request.method ?? "GET";
    const url = request.url ?? "/";
    if (url.length > MAX_TARGET)
      throw refuse("UNSUPPORTED", { status: 414, message: "the request's target is too long" });
    const mark = url.indexOf("?");
    const path = mark < 0 ? url : url.slice(0, mark);
    const query = new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1));
    const target = targetOf(path);
    const caller = { authorization: request.headers.authorization, origin: originOf(request, peer) };
    const rights = await this.#gate.admit(caller, needOf(target, method));
    if (target.kind === "token") {
      if (method !== "GET") throw refuse("UNSUPPORTED");
      return reply.json(200, await this.#gate.token(caller, query), { "Cache-Control": "no-store" });
    }
    this.#checkWritable(target, method);
    const pace = { ...this.#limits, onBytes: (count: number) => this.#metrics.received(count) };
    const call: Call = { request, method, path, query, reply, rights, pace };
    await this.#transfers(method, clientOf(rights, peer), () => answer(this.#routes, call, target));
  }

  #checkWritable(target: Target, method: string): void {
    if (method === "GET" || method === "HEAD") return;
    const { isReadOnly, upstream } = this.#options;
    if (upstream !== undefined) throw refuse("UNSUPPORTED", { message: "a mirror takes no pushes" });
    if (isReadOnly === true && target.kind !== "token")
      throw refuse("UNSUPPORTED", { message: "this registry is read-only" });
  }

  #report(error: unknown, reply: Reply, request: IncomingMessage): void {
    const fields = {
      method: request.method,
      url: request.url?.slice(0, 500),
      error: messageOf(error).slice(0, 1000),
    };
    const isOurs =
      !(error instanceof Error) || isCategory(error, "internal") || isCategory(error, "unavailable");
    const isPlain = error instanceof Error && error.name !== "GantryError" && error.name !== "Refusal";
    if ((isOurs || isPlain) && !reply.isAbandoned) this.#log.error("request failed", fields);
    else this.#log.debug("refused", fields);
  }

  async collect(): Promise<Collected> {
    this.#collecting ??= this.#collect().finally(() => {
      this.#collecting = undefined;
    });
    return this.#collecting;
  }

  async #collect(): Promise<Collected> {
    const rules: CollectRules = { graceMs: HOUR_MS, untagged: "keep", ...this.#options.collect };
    const collected = await collectGarbage(this.#routes, rules, this.#end.signal);
    this.#metrics.collected(collected);
    this.#log.info("garbage collected", { ...collected });
    return collected;
  }

  metrics(): string {
    const blobs = this.#options.content.list();
    return this.#metrics.text({
      uploads: this.#routes.uploads.count,
      requests: this.#requests,
      blobs: blobs.length,
      blobBytes: blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    });
  }

  async close(): Promise<void> {
    this.#end.abort(refuse("UNAVAILABLE"));
    this.#routes.mirror?.close();
    await this.#routes.uploads.suspend();
    await this.#collecting?.catch(() => {});
  }
}

/** Throws NAME_INVALID, or NAME_UNKNOWN for a path that leads nowhere. */
function targetOf(path: string): Target {
  const parsed = parseTarget(path);
  if (parsed.kind === "target") return parsed.target;
  if (parsed.kind === "invalid name") throw refuse("NAME_INVALID", { detail: { name: parsed.name } });
  throw refuse("UNSUPPORTED", { status: 404, message: "page not found" });
}

function clientOf(rights: Rights, peer: Peer): string {
  return rights.user === undefined ? `address ${peer.address}` : `user ${rights.user}`;
}
