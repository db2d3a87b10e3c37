/** `gantry-runc`: reads what the process was started with, performs one verb, ends. */
import { COMMIT, VERSION } from "../base/version.ts";
import { loadNative } from "../linux/native-addon.ts";
import type { Native } from "../linux/native.ts";
import { ownCaller } from "../runc/caller.ts";
import { main } from "../runc/main.ts";
import type { ServerOptions } from "../runc/resident/server.ts";
import { type NativeParts, findNativeParts } from "./native-parts.ts";

export async function runRuntime(words: readonly string[]): Promise<never> {
  const parts = findNativeParts();
  let loaded: Native | undefined;
  const native = (): Native => (loaded ??= loadNative(parts));
  const status = await main({
    words,
    environment: process.env,
    workingDirectory: process.cwd(),
    version: VERSION,
    commit: COMMIT,
    caller: ownCaller(parts.shim, native, openFiles(process.env["GANTRY_RUNC_OPEN_FILES"])),
    native,
    serve: (socket, log) => serveRuntime(words, parts, { native: native(), socket, log }),
  });
  process.exit(status);
}

/** By the launcher: since then the interpreter has raised it. */
function openFiles(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** The launcher turns the just-in-time compiler off, before anybody knows what is wanted: whoever stays starts once more. */
async function serveRuntime(
  words: readonly string[],
  parts: NativeParts,
  { native, socket, log }: Pick<ServerOptions, "native" | "socket" | "log">,
): Promise<number> {
  const { BUN_JSC_useJIT: isOff, ...environment } = process.env;
  if (isOff !== undefined) {
    const { openSync } = await import("node:fs");
    return native.replaceProcess({
      executable: openSync(process.execPath, "r"),
      argv: ["gantry-runc", ...words],
      env: Object.entries(environment).map(([name, value]) => `${name}=${value ?? ""}`),
      keep: [],
    });
  }
  const { serve } = await import("../runc/resident/server.ts");
  const ending = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => ending.abort());
  await serve({
    socket,
    program: { executable: process.execPath, ...parts },
    native,
    version: VERSION,
    commit: COMMIT,
    signal: ending.signal,
    log,
  });
  return 0;
}
