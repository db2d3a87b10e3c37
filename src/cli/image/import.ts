import { readFileChunks, standardInput } from "../../base/bun-stdio.ts";
import { messageOf } from "../../base/errors.ts";
import { jsonLines } from "../../client/json-lines.ts";
import type { Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { showProgress } from "../output/progress.ts";
import { formatReference, parseReference } from "../reference.ts";

export function command(): Command {
  const flags = new FlagSet();
  const change = flags.list("change", "Apply Dockerfile instruction to the created image", { short: "c" });
  const message = flags.string("message", "", "Set commit message for imported image", { short: "m" });
  const platform = flags.string("platform", "", "Set platform if server is multi-platform capable");
  return {
    usage: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    flags,
    arguments: { least: 1, most: 2 },
    async run(cli, [source = "", repository = ""]) {
      const isUrl = /^https?:\/\//.test(source);
      const repo = checkedRepository(repository);
      const engine = await cli.engine();
      const response = await engine.call({
        method: "POST",
        path: "/images/create",
        query: {
          fromSrc: isUrl ? source : "-",
          repo: repo || undefined,
          message: message.value || undefined,
          changes: change.value,
          platform: platform.value || undefined,
        },
        ...(isUrl ? {} : { upload: await archive(source) }),
      });
      await showProgress(jsonLines(response.body), { sink: cli.out, size: undefined });
      return 0;
    },
  };
}

async function archive(source: string): Promise<AsyncIterable<Uint8Array>> {
  if (source === "-") return standardInput();
  const { access } = await import("node:fs/promises");
  await access(source).catch(() => {
    throw new Exit(1, `open ${source}: no such file or directory`);
  });
  return readFileChunks(source);
}

function checkedRepository(repository: string): string {
  if (repository === "") return "";
  try {
    return formatReference(parseReference(repository));
  } catch (error) {
    throw new Exit(1, messageOf(error));
  }
}
