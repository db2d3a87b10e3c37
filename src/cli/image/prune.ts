import { type Command, NO_ARGUMENTS } from "../command.ts";
import { confirm } from "../confirm.ts";
import { FlagSet } from "../flags.ts";
import { prunedText, pruneImages, pruneFlags, withConfigured } from "../prune.ts";

export function command(): Command {
  const flags = new FlagSet();
  const all = flags.bool("all", false, "Remove all unused images, not just dangling ones", { short: "a" });
  const { filter, force, dryRun } = pruneFlags(flags);
  return {
    usage: "[OPTIONS]",
    flags,
    arguments: NO_ARGUMENTS,
    async run(cli) {
      const what = all.value
        ? "all images without at least one container associated to them."
        : "all dangling images.";
      const isAllowed =
        dryRun.value || force.value || (await confirm(cli, `WARNING! This will remove ${what}`));
      if (!isAllowed) {
        await cli.print("Total reclaimed space: 0B");
        return 0;
      }
      const engine = await cli.engine();
      const filters = [`dangling=${!all.value}`, ...(await withConfigured(cli, filter.value))];
      const result = await pruneImages(engine, filters, dryRun.value);
      await cli.print(prunedText([result], dryRun.value));
      return 0;
    },
  };
}
