/** Runs a plugin in our place: it gets our words, and the way to our engine where nobody has named another. */
import { runAttached } from "../../base/attached-process.ts";
import type { Cli } from "../cli.ts";
import type { Plugin } from "./find.ts";

/** `words`: all that we were called with. */
export async function runPlugin(cli: Cli, plugin: Plugin, words: readonly string[]): Promise<number> {
  const { url, isDefault } = await cli.address();
  return runAttached(plugin.path, words, {
    ...Object.fromEntries(cli.invocation.environment),
    // Plugins know Docker's default socket alone.
    ...(isDefault ? { DOCKER_HOST: url } : {}),
    DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND: cli.program,
  });
}
