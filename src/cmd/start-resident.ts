/** Leaving a resident client behind, for the commands that come after this one. */
import { closeSync, mkdirSync, openSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { connectSocket } from "../base/bun-socket.ts";
import { spawnDetached } from "../base/detached-process.ts";
import { errnoOf } from "../base/errors.ts";

/** Behind the socket's path. */
export const RESIDENT_LOG = ".log";
const START_MARK = ".starting";
/** A start that takes longer was killed. */
const START_MS = 2000;

/**
 * Starts one for `socket`, unless one is there by now or somebody is about to. Where that cannot be (a file system that is read-only,
 * say), commands go on doing their work themselves.
 */
export async function startResident(program: string, socket: string): Promise<void> {
  try {
    mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
    if (!markStart(socket + START_MARK)) return;
    if (await isListening(socket)) return removeStartMark(socket);
    // No secrets of this command's: each one that it carries out has an environment of its own.
    const { TZ } = process.env;
    const environment = TZ === undefined ? {} : { TZ };
    const command = { file: program, argv0: "gantry-client", words: [socket], environment };
    spawnDetached(command, socket + RESIDENT_LOG, () => {});
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}

async function isListening(socket: string): Promise<boolean> {
  try {
    (await connectSocket({ kind: "unix", path: socket })).close();
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ECONNREFUSED") return false;
    throw error;
  }
}

/** False when another start is under way. */
function markStart(mark: string): boolean {
  for (;;) {
    try {
      closeSync(openSync(mark, "wx", 0o600));
      return true;
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    }
    const age = Date.now() - (statSync(mark, { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY);
    if (Math.abs(age) < START_MS) return false;
    rmSync(mark, { force: true });
  }
}

export function removeStartMark(socket: string): void {
  rmSync(socket + START_MARK, { force: true });
}
