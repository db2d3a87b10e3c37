import { type Command, NO_ARGUMENTS } from "../command.ts";
import { confirm } from "../confirm.ts";
import { FlagSet } from "../flags.ts";
import { checkFilter } from "../options/values.ts";
import { pruneContainers, prunedText } from "../prune.ts";

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
      const warning = "WARNING! This will remove all stopped containers.";
      if (!dryRun.value && !force.value && !(await confirm(cli, warning))) return 0;
      const result = await pruneContainers(await cli.engine(), filter.value, dryRun.value);
      await cli.print(prunedText([result], dryRun.value));
      return 0;
    },
  };
}
