import type { Command } from "../command.ts";
import { atLeast } from "../command.ts";
import { describe } from "../dispatch.ts";
import { FlagSet } from "../flags.ts";
import { volumePath } from "./path.ts";

export function command(): Command {
  const flags = new FlagSet();
  const force = flags.bool("force", false, "Force the removal of one or more volumes", { short: "f" });
  return {
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    flags,
    arguments: atLeast(1),
    async run(cli, names) {
      const engine = await cli.engine();
      let status = 0;
      for (const name of names) {
        try {
          const query = { force: force.value ? 1 : undefined };
          await engine.run({ method: "DELETE", path: volumePath(name), query });
          await cli.print(name);
        } catch (error) {
          await cli.warn(describe(error));
          status = 1;
        }
      }
      return status;
    },
  };
}
