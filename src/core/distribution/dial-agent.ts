/** Connections to one origin, kept and used again; how they are made is `dial.ts`. */
import { Agent } from "node:http";
import { Socket } from "node:net";
import { dial } from "./dial.ts";
import { hostnameOf } from "./ip-range.ts";
import type { Proxy } from "./proxies.ts";
import { RegistryError } from "./registry-error.ts";
import type { TlsSettings } from "./trust.ts";

export interface DialSettings {
  readonly tls: TlsSettings | undefined;
  readonly proxy: Proxy | undefined;
  readonly mayBeLocal: boolean;
  readonly connectMs: number;
}

type Callback = (error: Error | null, socket: Socket) => void;

const KEEP_FREE_MS = 30_000;
const MAX_FREE = 8;

export class DialAgent extends Agent {
  readonly proxy: Proxy | undefined;
  readonly #url: URL;
  readonly #settings: DialSettings;

  constructor(url: URL, settings: DialSettings) {
    super({ keepAlive: true, timeout: KEEP_FREE_MS, maxFreeSockets: MAX_FREE });
    this.#url = url;
    this.#settings = settings;
    this.proxy = settings.proxy;
  }

  /** Called by node:http when no kept connection is free. */
  override createConnection(_options: unknown, callback?: Callback): undefined {
    if (callback !== undefined) void this.#connect(callback);
    return undefined;
  }

  async #connect(done: Callback): Promise<void> {
    const hostname = hostnameOf(this.#url);
    const port = portOf(this.#url);
    const deadline = new AbortController();
    const timer = setTimeout(() => {
      const message = `dial tcp ${hostname}:${port}: i/o timeout`;
      deadline.abort(new RegistryError("unavailable", message, { mayRetry: true }));
    }, this.#settings.connectMs);
    let socket: Socket;
    try {
      socket = await dial({ hostname, port, ...this.#settings }, deadline.signal);
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)), new Socket());
      return;
    } finally {
      clearTimeout(timer);
    }
    done(null, socket);
  }

  /** Requests under way keep their connections. */
  closeIdle(): void {
    for (const sockets of Object.values(this.freeSockets))
      for (const socket of sockets ?? []) socket.destroy();
  }
}

export function portOf(url: URL): number {
  return Number(url.port) || (url.protocol === "https:" ? 443 : 80);
}
