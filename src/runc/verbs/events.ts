import { fail } from "../../base/errors.ts";
import { loadContainer } from "../container.ts";
import type { Verb } from "../context.ts";
import { conditionOf } from "../status.ts";
import { follow, statsLine } from "../event-stream.ts";

const DEFAULT_INTERVAL_MS = 5000;

export const verb: Verb = {
  summary: "show what a container uses, again and again, and when it runs out of memory",
  usage: "<container-id>",
  flags: [
    { names: ["interval"], kind: "duration", help: "between two reports (default: 5s)" },
    { names: ["stats"], kind: "switch", help: "one report only" },
  ],
  least: 1,
  most: 1,
  async run(context, { flags, args }) {
    const container = loadContainer(context.root, args[0] ?? "");
    const intervalMs = flags.duration("interval", DEFAULT_INTERVAL_MS);
    if (intervalMs <= 0) throw fail("invalid_argument", "duration interval must be greater than 0");
    if (conditionOf(container).status === "stopped")
      throw fail("conflict", `container with id ${container.id} is not running`);
    if (flags.isOn("stats")) context.write(await statsLine(container));
    else await follow(context, container, intervalMs);
    return 0;
  },
};
