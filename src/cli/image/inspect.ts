import { atLeast, type Command } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { inspectEach } from "../output/inspect.ts";
import { INSPECT_FORMAT_USAGE } from "../output/usage.ts";
import { imagePath } from "./path.ts";
import { platformQuery } from "./platform.ts";

export function command(): Command {
  const flags = new FlagSet();
  const format = flags.string("format", "", INSPECT_FORMAT_USAGE, { short: "f" });
  const platform = flags.string("platform", "", "Inspect a specific platform of the multi-platform image");
  return {
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    flags,
    arguments: atLeast(1),
    async run(cli, names) {
      const engine = await cli.engine();
      const query = { platform: platformQuery(platform.value) };
      return inspectEach(cli, names, format.value, (name) =>
        engine.text({ method: "GET", path: `${imagePath(name)}/json`, query }),
      );
    },
  };
}
