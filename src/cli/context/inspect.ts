import { child } from "../../client/fields.ts";
import { type ArgumentRule, type Command } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { inspectEach } from "../output/inspect.ts";
import { INSPECT_FORMAT_USAGE } from "../output/usage.ts";
import { anyContext } from "./any.ts";
import type { Cli } from "../cli.ts";
import { currentContextName } from "./current.ts";
import { DEFAULT_CONTEXT, placesOf } from "./store.ts";

const ANY_NUMBER: ArgumentRule = { least: 0, most: Number.POSITIVE_INFINITY };
const IN_MEMORY = "<IN MEMORY>";

export function command(): Command {
  const flags = new FlagSet();
  const format = flags.string("format", "", INSPECT_FORMAT_USAGE, { short: "f" });
  return {
    usage: "[OPTIONS] [CONTEXT] [CONTEXT...]",
    flags,
    arguments: ANY_NUMBER,
    async run(cli, words) {
      const names = words.length === 0 ? [await currentContextName(cli)] : words;
      return inspectEach(cli, names, format.value, (name) => inspected(cli, name));
    },
  };
}

async function inspected(cli: Cli, name: string): Promise<string> {
  const { document, tls } = await anyContext(cli, name);
  const isDefault = name === DEFAULT_CONTEXT;
  const places = await placesOf((await cli.config()).directory, name);
  return JSON.stringify({
    Name: name,
    // Docker shows no description for the one that nobody has described.
    Metadata: isDefault ? {} : child(document, "Metadata"),
    Endpoints: child(document, "Endpoints"),
    TLSMaterial: tls.size === 0 ? {} : { docker: [...tls.keys()] },
    Storage: {
      MetadataPath: isDefault ? IN_MEMORY : places.meta,
      TLSPath: isDefault ? IN_MEMORY : places.tls,
    },
  });
}
