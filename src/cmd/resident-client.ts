/** `gantry-client SOCKET`: carries out commands for others until it has been idle for a minute (src/resident). */
import { statSync, truncateSync } from "node:fs";
import { errnoOf, messageOf } from "../base/errors.ts";
import { OwnProcessNeeded } from "../base/own-process.ts";
import { VERSION } from "../base/version.ts";
import { dispatch } from "../cli/dispatch.ts";
import { Doorkeeper } from "../linux/doorkeeper.ts";
import { loadNative } from "../linux/native-addon.ts";
import { type Errand, serve } from "../resident/server.ts";
import { findNativeParts } from "./native-parts.ts";
import { RESIDENT_LOG, removeStartMark } from "./start-resident.ts";

const IDLE_MS = 60_000;
/** What is told is appended by one after the other; nobody looks after it. */
const MOST_LOG_BYTES = 64 << 10;

export async function runResidentClient([socket = ""]: readonly string[]): Promise<never> {
  const parts = findNativeParts();
  const native = loadNative(parts);
  const ending = new AbortController();
  const warn = (message: string): void => void process.stderr.write(`${message}\n`);
  for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => ending.abort());
  // Of one command, whose caller may wait for ever now; the others are finished.
  process.on("unhandledRejection", (error) => {
    warn(error instanceof Error ? (error.stack ?? error.message) : String(error));
    ending.abort();
  });
  try {
    shorten(socket + RESIDENT_LOG);
    await serve({
      socket,
      native,
      doorkeeper: new Doorkeeper(native, {
        files: [process.execPath, parts.client, parts.addon],
        launcher: parts.client,
        uid: process.geteuid?.() ?? -1,
      }),
      perform: (errand) => perform(errand, parts.shim),
      idleMs: IDLE_MS,
      signal: ending.signal,
      warn,
      onListening: () => removeStartMark(socket),
    });
    process.exit(0);
  } catch (error) {
    removeStartMark(socket);
    warn(messageOf(error));
    process.exit(1);
  }
}

function shorten(log: string): void {
  try {
    if (statSync(log).size > MOST_LOG_BYTES) truncateSync(log);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

function perform({ visitor, caller, out, err }: Errand, shim: string): Promise<number> {
  const environment = new Map(Object.entries(visitor.environment));
  // Times are shown in this process's zone.
  if (environment.get("TZ") !== process.env["TZ"]) throw new OwnProcessNeeded("another time zone");
  return dispatch(
    {
      program: "gantry",
      version: VERSION,
      environment,
      workingDirectory: visitor.workingDirectory,
      homeDirectory: environment.get("HOME") || "/root",
      userId: process.getuid?.() ?? -1,
      engineCommand: { file: process.execPath, argv0: "gantryd", words: ["daemon"] },
      nativeShim: () => Promise.resolve(shim),
      caller,
    },
    { out, err },
    visitor.words,
  );
}
