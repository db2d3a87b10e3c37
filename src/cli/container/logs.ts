import { child, fieldsOf, flag } from "../../client/fields.ts";
import { copyDemultiplexed, copyRaw } from "../../client/stdcopy.ts";
import type { Cli } from "../cli.ts";
import { type Command, exactly } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { parseTimestamp } from "../timestamp.ts";
import { segment } from "./each.ts";

const SINCE = 'timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)';

export function command(): Command {
  const flags = new FlagSet();
  const clear = flags.bool("clear", false, "Delete what was logged so far");
  const details = flags.bool("details", false, "Show extra details provided to logs");
  const follow = flags.bool("follow", false, "Follow log output", { short: "f" });
  const since = flags.string("since", "", `Show logs since ${SINCE}`);
  const tail = flags.string("tail", "all", "Number of lines to show from the end of the logs", {
    short: "n",
  });
  const timestamps = flags.bool("timestamps", false, "Show timestamps", { short: "t" });
  const until = flags.string("until", "", `Show logs before a ${SINCE}`);
  return {
    usage: "[OPTIONS] CONTAINER",
    flags,
    arguments: exactly(1),
    async run(cli: Cli, [name = ""]) {
      const engine = await cli.engine();
      const path = `/containers/${segment(name)}`;
      if (clear.value) {
        if ([details, follow, since, tail, timestamps, until].some((flag) => flag.changed))
          throw new Error("--clear shows nothing, so it goes with no other flag");
        await engine.call({ method: "DELETE", path: `${path}/logs` });
        return 0;
      }
      const logs = engine.call({
        method: "GET",
        path: `${path}/logs`,
        query: {
          details: details.value ? 1 : undefined,
          follow: follow.value ? 1 : undefined,
          since: parseTimestamp("since", since.value),
          stderr: 1,
          stdout: 1,
          tail: tail.value,
          timestamps: timestamps.value ? 1 : undefined,
          until: parseTimestamp("until", until.value),
        },
      });
      logs.catch(() => {});
      const [response, tty] = await Promise.all([logs, hasTerminal(cli, path)]);
      if (tty) await copyRaw(response.body, cli.out);
      else await copyDemultiplexed(response.body, cli.out, cli.err);
      return 0;
    },
  };
}

async function hasTerminal(cli: Cli, path: string): Promise<boolean> {
  const engine = await cli.engine();
  const container = fieldsOf(await engine.json({ method: "GET", path: `${path}/json` }));
  return flag(child(container, "Config"), "Tty");
}
