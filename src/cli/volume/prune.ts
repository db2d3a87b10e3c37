import { type Command, NO_ARGUMENTS } from "../command.ts";
import { confirm } from "../confirm.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { prunedText, pruneFlags, pruneVolumes, withConfigured } from "../prune.ts";

export function command(): Command {
  const flags = new FlagSet();
  const all = flags.bool("all", false, "Remove all unused volumes, not just anonymous ones", { short: "a" });
  const { filter, force, dryRun } = pruneFlags(flags);
  return {
    usage: "[OPTIONS]",
    flags,
    arguments: NO_ARGUMENTS,
    async run(cli) {
      if (all.value && filter.value.some((text) => text.startsWith("all=")))
        throw new Exit(1, "conflicting options: cannot specify both --all and --filter all=1");
      const which = all.value ? "all local volumes" : "anonymous local volumes";
      const warning = `WARNING! This will remove ${which} not used by at least one container.`;
      if (!dryRun.value && !force.value && !(await confirm(cli, warning))) {
        await cli.print("Total reclaimed space: 0B");
        return 0;
      }
      const filters = [...(await withConfigured(cli, filter.value)), ...(all.value ? ["all=true"] : [])];
      const result = await pruneVolumes(await cli.engine(), filters, dryRun.value);
      await cli.print(prunedText([result], dryRun.value));
      return 0;
    },
  };
}
