import { atLeast, type Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { checkOutput, writeArchive } from "../output/to-file.ts";
import { imagePath } from "./path.ts";

export function command(): Command {
  const flags = new FlagSet();
  const output = flags.string("output", "", "Write to a file, instead of STDOUT", { short: "o" });
  const platform = flags.string("platform", "", "Save only the given platform variant");
  return {
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    flags,
    arguments: atLeast(1),
    async run(cli, names) {
      await checkOutput(output.value, "failed to save image");
      const query = { platform: platformDocument(platform.value) };
      const engine = await cli.engine();
      const [only = ""] = names;
      const { body } = await engine.call(
        names.length === 1
          ? { method: "GET", path: `${imagePath(only)}/get`, query }
          : { method: "GET", path: "/images/get", query: { ...query, names } },
      );
      await writeArchive(cli, output.value, body);
      return 0;
    },
  };
}

/** "os/architecture[/variant]" as the API wants it. */
function platformDocument(text: string): string | undefined {
  if (text === "") return undefined;
  const parts = text.toLowerCase().split("/");
  const [os = "", architecture = "", variant = ""] = parts;
  if (parts.length < 2 || parts.length > 3 || !parts.every((part) => /^[a-z0-9_.-]+$/.test(part)))
    throw new Exit(1, `invalid platform: "${text}": os/architecture[/variant] is needed`);
  return JSON.stringify({ os, architecture, ...(variant === "" ? {} : { variant }) });
}
