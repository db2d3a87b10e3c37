import { atLeast, type Command } from "../command.ts";
import { forEach, segment } from "../container/each.ts";
import { FlagSet } from "../flags.ts";

export function command(): Command {
  const flags = new FlagSet();
  const signal = flags.string("signal", "", "Signal to send to the process", { short: "s" });
  return {
    usage: "[OPTIONS] EXEC [EXEC...]",
    flags,
    arguments: atLeast(1),
    async run(cli, ids) {
      const engine = await cli.engine();
      return forEach(cli, ids, async (id) => {
        const query = { signal: signal.value || undefined };
        await engine.run({ method: "POST", path: `/exec/${segment(id)}/kill`, query });
        return id;
      });
    },
  };
}
