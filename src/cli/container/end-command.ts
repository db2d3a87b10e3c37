/** What `stop` and `restart` share: the same flags, and one request for each container. */
import { atLeast, type Command } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { forEach, segment } from "./each.ts";

export function endCommand(verb: "stop" | "restart"): Command {
  const flags = new FlagSet();
  const signal = flags.string("signal", "", "Signal to send to the container", { short: "s" });
  const timeout = flags.int("timeout", 0, "Seconds to wait before killing the container", { short: "t" });
  flags.alias("time", timeout);
  return {
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    flags,
    arguments: atLeast(1),
    async run(cli, words) {
      const engine = await cli.engine();
      return forEach(cli, words, async (name) => {
        await engine.run({
          method: "POST",
          path: `/containers/${segment(name)}/${verb}`,
          query: { signal: signal.value || undefined, t: timeout.changed ? timeout.value : undefined },
        });
        return name;
      });
    },
  };
}
