import { type Command, NO_ARGUMENTS } from "../command.ts";
import { confirm } from "../confirm.ts";
import { FlagSet } from "../flags.ts";
import { prunedLists, pruneNetworks, pruneFlags, withConfigured } from "../prune.ts";

export function command(): Command {
  const flags = new FlagSet();
  const { filter, force, dryRun } = pruneFlags(flags);
  return {
    usage: "[OPTIONS]",
    flags,
    arguments: NO_ARGUMENTS,
    async run(cli) {
      const warning = "WARNING! This will remove all custom networks not used by at least one container.";
      if (!dryRun.value && !force.value && !(await confirm(cli, warning))) return 0;
      const filters = await withConfigured(cli, filter.value);
      const result = await pruneNetworks(await cli.engine(), filters, dryRun.value);
      for (const list of prunedLists([result], dryRun.value)) await cli.print(list);
      return 0;
    },
  };
}
