/** Whom a resident compiler works for: launchers of its own build, in its own place, with its own rights. */
import type { Native } from "../../linux/native.ts";
import {
  type StartedWith,
  fileIdentity,
  programIdentity,
  readStartedWith,
  readSurroundings,
} from "../../linux/peer-process.ts";
import type { ProcessIdentity } from "../../linux/process-state.ts";
import { identityOf } from "../container.ts";

export interface Peer extends StartedWith {
  readonly identity: ProcessIdentity;
}

/** The files that must belong together. */
export interface Program {
  readonly executable: string;
  readonly launcher: string;
  readonly shim: string;
  readonly addon: string;
}

export class Doorkeeper {
  readonly #native: Pick<Native, "peerCredentials">;
  readonly #files: readonly string[];
  readonly #build: string;
  readonly #launcher: string;
  readonly #surroundings: string | undefined;

  constructor(native: Pick<Native, "peerCredentials">, program: Program) {
    this.#native = native;
    this.#files = [program.executable, program.launcher, program.shim, program.addon];
    this.#build = identities(this.#files);
    this.#launcher = fileIdentity(program.launcher);
    this.#surroundings = readSurroundings("self");
  }

  /** False once a file of the program has been replaced: what is in memory here is another build then. */
  isCurrent(): boolean {
    try {
      return identities(this.#files) === this.#build;
    } catch {
      return false; // one is missing: somebody is replacing them
    }
  }

  /**
   * Who is at the other end of `socket`; undefined when it is not to be served. A number below /proc that was read of another
   * process, the peer having died meanwhile, does no harm: nothing is changed on the host until the peer says "go" after it.
   */
  recognize(socket: number): Peer | undefined {
    const { pid, uid } = this.#native.peerCredentials(socket);
    // 0: it is in a pid namespace that we do not see.
    if (uid !== 0 || pid === 0 || programIdentity(pid) !== this.#launcher) return undefined;
    const surroundings = readSurroundings(pid);
    if (surroundings === undefined || surroundings !== this.#surroundings) return undefined;
    const startedWith = readStartedWith(pid);
    return startedWith === undefined ? undefined : { ...startedWith, identity: identityOf(pid) };
  }
}

function identities(files: readonly string[]): string {
  return files.map(fileIdentity).join("\n");
}
