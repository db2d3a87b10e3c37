import { atLeast, type Command } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { inspectEach } from "../output/inspect.ts";
import { INSPECT_FORMAT_USAGE } from "../output/usage.ts";
import { volumePath } from "./path.ts";

export function command(): Command {
  const flags = new FlagSet();
  const format = flags.string("format", "", INSPECT_FORMAT_USAGE, { short: "f" });
  return {
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    flags,
    arguments: atLeast(1),
    async run(cli, names) {
      const engine = await cli.engine();
      return inspectEach(cli, names, format.value, async (name) =>
        engine.text({ method: "GET", path: volumePath(name) }),
      );
    },
  };
}
