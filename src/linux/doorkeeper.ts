/** Whom a resident program works for: launchers of its own build, in its own place, with its own rights. */
import type { Native } from "./native.ts";
import {
  type StartedWith,
  fileIdentity,
  programIdentity,
  readStartedWith,
  readSurroundings,
} from "./peer-process.ts";

export interface Visitor extends StartedWith {
  readonly pid: number;
}

export interface House {
  /** The files that must belong together: once one is replaced, what is in memory is another build. */
  readonly files: readonly string[];
  /** The program that may ask; one of `files`. */
  readonly launcher: string;
  /** Whose processes may ask. */
  readonly uid: number;
}

export class Doorkeeper {
  readonly #native: Pick<Native, "peerCredentials">;
  readonly #house: House;
  readonly #build: string;
  readonly #launcher: string;
  readonly #surroundings: string | undefined;

  constructor(native: Pick<Native, "peerCredentials">, house: House) {
    this.#native = native;
    this.#house = house;
    this.#build = identities(house.files);
    this.#launcher = fileIdentity(house.launcher);
    this.#surroundings = readSurroundings("self");
  }

  /** False once a file of the program has been replaced. */
  isCurrent(): boolean {
    try {
      return identities(this.#house.files) === this.#build;
    } catch {
      return false; // one is missing: somebody is replacing them
    }
  }

  /**
   * Who is at the other end of `socket`; undefined when it is not to be served. A number below /proc that was read of another
   * process, the visitor having died meanwhile, does no harm as long as nothing is changed before the visitor says "go" after it.
   */
  recognize(socket: number): Visitor | undefined {
    const { pid, uid } = this.#native.peerCredentials(socket);
    // 0: it is in a pid namespace that we do not see.
    if (uid !== this.#house.uid || pid === 0 || programIdentity(pid) !== this.#launcher) return undefined;
    const surroundings = readSurroundings(pid);
    if (surroundings === undefined || surroundings !== this.#surroundings) return undefined;
    const startedWith = readStartedWith(pid);
    return startedWith === undefined ? undefined : { ...startedWith, pid };
  }
}

function identities(files: readonly string[]): string {
  return files.map(fileIdentity).join("\n");
}
