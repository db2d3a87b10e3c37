import { atLeast, type Command } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { inspectEach } from "../output/inspect.ts";
import { INSPECT_FORMAT_USAGE } from "../output/usage.ts";
import { networkPath } from "./path.ts";

export function command(): Command {
  const flags = new FlagSet();
  const format = flags.string("format", "", INSPECT_FORMAT_USAGE, { short: "f" });
  const verbose = flags.bool("verbose", false, "Verbose output for diagnostics", { short: "v" });
  return {
    usage: "[OPTIONS] NETWORK [NETWORK...]",
    flags,
    arguments: atLeast(1),
    async run(cli, names) {
      const engine = await cli.engine();
      const query = { verbose: verbose.value ? true : undefined };
      return inspectEach(cli, names, format.value, async (name) =>
        engine.text({ method: "GET", path: networkPath(name), query }),
      );
    },
  };
}
