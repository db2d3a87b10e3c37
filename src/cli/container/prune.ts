import { type Command, NO_ARGUMENTS } from "../command.ts";
import { confirm } from "../confirm.ts";
import { FlagSet } from "../flags.ts";
import { pruneContainers, prunedText, pruneFlags, withConfigured } from "../prune.ts";

export function command(): Command {
  const flags = new FlagSet();
  const { filter, force, dryRun } = pruneFlags(flags);
  return {
    usage: "[OPTIONS]",
    flags,
    arguments: NO_ARGUMENTS,
    async run(cli) {
      const warning = "WARNING! This will remove all stopped containers.";
      if (!dryRun.value && !force.value && !(await confirm(cli, warning))) return 0;
      const filters = await withConfigured(cli, filter.value);
      const result = await pruneContainers(await cli.engine(), filters, dryRun.value);
      await cli.print(prunedText([result], dryRun.value));
      return 0;
    },
  };
}
