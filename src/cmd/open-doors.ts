/**
 * The daemon's doors, opened. A unix socket has an HTTP server of its own; everything else is a front that pipes into a server on
 * a private socket below the exec root: one for clients that have shown a certificate, or come by a socket of the file system,
 * and one that takes no requests of browsers, for the others.
 *
 * On crash: socket files stay, and the next start replaces them.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type DoorAddress, formatDoor } from "../api/doors/address.ts";
import { Front, FRONT_LIMITS } from "../api/doors/front.ts";
import { PeerServers } from "../api/doors/peer-servers.ts";
import { type DoorTls, type ListenAt, type OpenDoor, openDoor } from "../api/doors/listen.ts";
import type { ApiServer, Callers, MakeServer } from "../api/server.ts";
import { fail } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { activatedFor } from "./activated-sockets.ts";
import { listenOn } from "./daemon-socket.ts";
import { OPEN_TO_ALL } from "./door-settings.ts";

export interface DoorPlan {
  readonly addresses: readonly DoorAddress[];
  readonly tls: DoorTls | undefined;
  /** TCP without client certificates is what the operator wants. */
  readonly isOpenOnPurpose: boolean;
  readonly group: string;
  readonly execRoot: string;
  /** Descriptors of systemd's. */
  readonly activated: readonly number[];
  /** Whether a listening descriptor is a unix socket. */
  readonly isUnixSocket: (fd: number) => boolean;
}

export interface Doors {
  /** Connections from now on are met with this. */
  renew(tls: DoorTls): void;
  /** Takes no more connections; those there are go on. */
  shut(): void;
  /** Breaks off everything. After `shut`. */
  close(): void;
}

/** Throws when one of them cannot be opened; those opened before it end with the process. */
export async function openDoors(makeServer: MakeServer, plan: DoorPlan, log: Logger): Promise<Doors> {
  const opening = new Opening(makeServer, plan, log);
  for (const address of plan.addresses) {
    await opening.open(address);
    log.info("listening", { on: formatDoor(address) });
  }
  return opening;
}

class Opening implements Doors {
  readonly #makeServer: MakeServer;
  readonly #plan: DoorPlan;
  readonly #log: Logger;
  /** Of private sockets. */
  readonly #directory: string;
  readonly #servers: ApiServer[] = [];
  readonly #socketFiles: string[] = [];
  readonly #fronts = new Map<Callers, Front>();
  readonly #doors: OpenDoor[] = [];
  readonly #peers: PeerServers;

  constructor(makeServer: MakeServer, plan: DoorPlan, log: Logger) {
    this.#makeServer = makeServer;
    this.#plan = plan;
    this.#log = log;
    this.#directory = join(plan.execRoot, "api");
    this.#peers = new PeerServers((peer) => makeServer("anybody", peer), this.#directory);
  }

  async open(address: DoorAddress): Promise<void> {
    const { tls, group, activated } = this.#plan;
    switch (address.kind) {
      case "unix":
        return this.#listen("anybody", address.path, group);
      case "tcp":
        return this.#openTcp(address, tls);
      case "activated":
        for (const fd of activatedFor(address.descriptor, activated)) await this.#openActivated(fd);
    }
  }

  /** The operator's file system says who reaches a unix socket of systemd's, as it does with ours. */
  async #openActivated(fd: number): Promise<void> {
    const { tls, isUnixSocket, isOpenOnPurpose } = this.#plan;
    if (isUnixSocket(fd)) this.#doors.push(await openDoor(await this.#front("anybody"), { fd }, undefined));
    else if (tls?.clientAuthorities === undefined && !isOpenOnPurpose)
      throw fail("invalid_argument", `refused to listen on descriptor ${fd}, a TCP socket: ${OPEN_TO_ALL}`);
    else await this.#openTcp({ fd }, tls);
  }

  async #openTcp(at: ListenAt, tls: DoorTls | undefined): Promise<void> {
    const callers = tls?.clientAuthorities === undefined ? "programs" : "anybody";
    if (callers === "programs")
      this.#log.warn(OPEN_TO_ALL, "fd" in at ? { descriptor: at.fd } : { host: at.host, port: at.port });
    this.#doors.push(await openDoor(await this.#front(callers), at, tls));
  }

  async #front(callers: Callers): Promise<Front> {
    const known = this.#fronts.get(callers);
    if (known !== undefined) return known;
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const path = join(this.#directory, `${callers}.sock`);
    await this.#listen(callers, path, "");
    const front = new Front(path, this.#log, FRONT_LIMITS, this.#peers);
    this.#fronts.set(callers, front);
    return front;
  }

  async #listen(callers: Callers, path: string, group: string): Promise<void> {
    const server = this.#makeServer(callers);
    this.#servers.push(server);
    await listenOn(server, path, group, this.#log);
    this.#socketFiles.push(path);
  }

  renew(tls: DoorTls): void {
    for (const door of this.#doors) door.renew(tls);
  }

  shut(): void {
    for (const door of this.#doors) door.close();
    for (const server of this.#servers) server.close();
    for (const path of this.#socketFiles) rmSync(path, { force: true });
    rmSync(this.#directory, { recursive: true, force: true });
  }

  close(): void {
    for (const front of this.#fronts.values()) front.close();
    this.#peers.close();
    for (const server of this.#servers) server.closeAllConnections();
  }
}
