/** Fetching an image from its registry, for `pull` and for `run` without a local image. */
import type { Sink } from "../../base/bun-stdio.ts";
import type { EngineClient } from "../../client/engine-client.ts";
import { jsonLines } from "../../client/json-lines.ts";
import type { Cli } from "../cli.ts";
import { showProgress } from "../output/progress.ts";
import type { Reference } from "../reference.ts";
import { isTerminal, terminalSize } from "../terminal.ts";

export interface PullOptions {
  readonly platform: string;
  readonly quiet: boolean;
  readonly progress: Sink;
  /** Every tag of the repository. */
  readonly allTags?: boolean;
}

export async function pullImage(
  cli: Cli,
  engine: EngineClient,
  reference: Reference,
  options: PullOptions,
): Promise<void> {
  const { registryAuth } = await import("../registry-auth.ts");
  const response = await engine.call({
    method: "POST",
    path: "/images/create",
    headers: await registryAuth(cli, reference.name),
    query: {
      fromImage: reference.name,
      tag: options.allTags === true ? undefined : reference.digest || reference.tag,
      platform: options.platform || undefined,
    },
  });
  const messages = jsonLines(response.body);
  const terminal = !options.quiet && (await isTerminal(options.progress === cli.err ? 2 : 1));
  await showProgress(messages, {
    sink: options.quiet ? { write: async () => {} } : options.progress,
    size: terminal ? terminalSize : undefined,
  });
}
