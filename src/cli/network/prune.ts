import { type Command, NO_ARGUMENTS } from "../command.ts";
import { confirm } from "../confirm.ts";
import { FlagSet } from "../flags.ts";
import { checkFilter } from "../options/values.ts";
import { prunedLists, pruneNetworks } from "../prune.ts";

export function command(): Command {
  const flags = new FlagSet();
  const filter = flags.list("filter", 'Provide filter values (e.g. "until=<timestamp>")', {
    valueName: "filter",
    check: checkFilter,
  });
  const force = flags.bool("force", false, "Do not prompt for confirmation", { short: "f" });
  const dryRun = flags.bool("dry-run", false, "Only show what would be removed");
  return {
    usage: "[OPTIONS]",
    flags,
    arguments: NO_ARGUMENTS,
    async run(cli) {
      const warning = "WARNING! This will remove all custom networks not used by at least one container.";
      if (!dryRun.value && !force.value && !(await confirm(cli, warning))) return 0;
      const result = await pruneNetworks(await cli.engine(), filter.value, dryRun.value);
      for (const list of prunedLists([result], dryRun.value)) await cli.print(list);
      return 0;
    },
  };
}
