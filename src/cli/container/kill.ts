import { atLeast, type Command } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { forEach, segment } from "./each.ts";

export function command(): Command {
  const flags = new FlagSet();
  const signal = flags.string("signal", "", "Signal to send to the container", { short: "s" });
  return {
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    flags,
    arguments: atLeast(1),
    async run(cli, words) {
      const engine = await cli.engine();
      return forEach(cli, words, async (name) => {
        await engine.run({
          method: "POST",
          path: `/containers/${segment(name)}/kill`,
          query: { signal: signal.value || undefined },
        });
        return name;
      });
    },
  };
}
