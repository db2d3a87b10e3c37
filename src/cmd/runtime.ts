/** `gantry-runc`: reads what the process was started with, performs one verb, ends. */
import { COMMIT, VERSION } from "../base/version.ts";
import { loadNative } from "../linux/native-addon.ts";
import { main } from "../runc/main.ts";
import { findNativeParts } from "./native-parts.ts";

export async function runRuntime(words: readonly string[]): Promise<never> {
  const parts = findNativeParts();
  const status = await main({
    words,
    environment: process.env,
    workingDirectory: process.cwd(),
    version: VERSION,
    commit: COMMIT,
    shim: parts.shim,
    native: () => loadNative(parts),
  });
  process.exit(status);
}
