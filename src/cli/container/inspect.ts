import { atLeast, type Command } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { inspectEach } from "../output/inspect.ts";
import { INSPECT_FORMAT_USAGE } from "../output/usage.ts";
import { segment } from "./each.ts";

export function command(): Command {
  const flags = new FlagSet();
  const format = flags.string("format", "", INSPECT_FORMAT_USAGE, { short: "f" });
  const size = flags.bool("size", false, "Display total file sizes", { short: "s" });
  return {
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    flags,
    arguments: atLeast(1),
    async run(cli, names) {
      const engine = await cli.engine();
      const query = { size: size.value ? 1 : undefined };
      return inspectEach(cli, names, format.value, (name) =>
        engine.text({ method: "GET", path: `/containers/${segment(name)}/json`, query }),
      );
    },
  };
}
