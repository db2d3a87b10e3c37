import { readFileChunks, standardInput } from "../../base/bun-stdio.ts";
import { jsonLines } from "../../client/json-lines.ts";
import { type Command, NO_ARGUMENTS } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { showProgress } from "../output/progress.ts";
import { platformQuery } from "./platform.ts";
import { isTerminal, terminalSize } from "../terminal.ts";

export function command(): Command {
  const flags = new FlagSet();
  const input = flags.string("input", "", "Read from tar archive file, instead of STDIN", { short: "i" });
  const platform = flags.string("platform", "", "Load only the given platform variant");
  const quiet = flags.bool("quiet", false, "Suppress the load output", { short: "q" });
  return {
    usage: "[OPTIONS]",
    flags,
    arguments: NO_ARGUMENTS,
    async run(cli) {
      const terminal = await isTerminal(1);
      if (input.value === "" && (await isTerminal(0)))
        throw new Exit(1, "requested load from stdin, but stdin is empty");
      if (input.value !== "") await requireFile(input.value);
      const engine = await cli.engine();
      const response = await engine.call({
        method: "POST",
        path: "/images/load",
        query: { quiet: quiet.value || !terminal ? 1 : 0, platform: platformQuery(platform.value) },
        headers: new Map([["Content-Type", "application/x-tar"]]),
        upload: input.value === "" ? standardInput() : await readFileChunks(input.value),
      });
      await showProgress(jsonLines(response.body), {
        sink: cli.out,
        size: terminal ? terminalSize : undefined,
      });
      return 0;
    },
  };
}

async function requireFile(path: string): Promise<void> {
  const { stat } = await import("node:fs/promises");
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new Exit(1, `open ${path}: no such file or directory`);
  if (found.isDirectory()) throw new Exit(1, `read ${path}: is a directory`);
}
