/**
 * A server of its own for each certificate that clients have shown, while one of them is connected: the HTTP server sees a
 * unix socket behind a front, and nothing on it tells whose bytes these are. What comes by a server's socket is its peer's.
 *
 * On crash: the socket files stay in the private directory, and those of the next daemon take their places.
 */
import { rmSync } from "node:fs";
import type { Server } from "node:http";
import { join } from "node:path";
import type { Peer } from "./peer.ts";

interface Entry {
  readonly server: Server;
  readonly path: string;
  readonly listening: Promise<void>;
  connections: number;
}

export class PeerServers {
  readonly #make: (peer: Peer) => Server;
  readonly #directory: string;
  readonly #entries = new Map<string, Entry>();
  #made = 0;

  /** `directory` is there, and root's alone. */
  constructor(make: (peer: Peer) => Server, directory: string) {
    this.#make = make;
    this.#directory = directory;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** For one connection, until `release`. The socket listens when `listening` settles; what that throws is the system's. */
  acquire(peer: Peer): {
    readonly path: string;
    readonly listening: Promise<void>;
    readonly release: () => void;
  } {
    const key = peer.certificates.join("");
    const known = this.#entries.get(key) ?? this.#open(key, peer);
    known.connections++;
    const release = (): void => {
      if (--known.connections > 0) return;
      if (this.#entries.get(key) === known) this.#entries.delete(key);
      close(known);
    };
    return { path: known.path, listening: known.listening, release };
  }

  #open(key: string, peer: Peer): Entry {
    const server = this.#make(peer);
    const path = join(this.#directory, `peer-${++this.#made}.sock`);
    rmSync(path, { force: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    server.listen(path, resolve);
    const entry: Entry = { server, path, listening: promise, connections: 0 };
    this.#entries.set(key, entry);
    return entry;
  }

  /** Breaks off everything. */
  close(): void {
    for (const entry of this.#entries.values()) {
      close(entry);
      entry.server.closeAllConnections();
    }
    this.#entries.clear();
  }
}

function close({ server, path }: Entry): void {
  server.close();
  rmSync(path, { force: true });
}
