/** Whom a resident compiler works for: root's launchers of its own build (linux/doorkeeper.ts). */
import { Doorkeeper, type Visitor } from "../../linux/doorkeeper.ts";
import type { Native } from "../../linux/native.ts";
import type { ProcessIdentity } from "../../linux/process-state.ts";
import { identityOf } from "../container.ts";

export interface Peer extends Visitor {
  readonly identity: ProcessIdentity;
}

/** The files that must belong together. */
export interface Program {
  readonly executable: string;
  readonly launcher: string;
  readonly shim: string;
  readonly addon: string;
}

export function doorkeeperOf(native: Pick<Native, "peerCredentials">, program: Program): Doorkeeper {
  const { executable, launcher, shim, addon } = program;
  return new Doorkeeper(native, { files: [executable, launcher, shim, addon], launcher, uid: 0 });
}

/** Undefined when it is not to be served. */
export function peerAt(doorkeeper: Doorkeeper, socket: number): Peer | undefined {
  const visitor = doorkeeper.recognize(socket);
  return visitor && { ...visitor, identity: identityOf(visitor.pid) };
}
