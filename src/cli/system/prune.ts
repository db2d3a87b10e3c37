import { type Command, NO_ARGUMENTS } from "../command.ts";
import { confirm } from "../confirm.ts";
import { FlagSet } from "../flags.ts";
import { checkFilter } from "../options/values.ts";
import {
  pruneBuildCache,
  pruneContainers,
  type Pruned,
  prunedText,
  pruneImages,
  pruneNetworks,
  pruneVolumes,
  withConfigured,
} from "../prune.ts";
import { fail } from "../../base/errors.ts";
import type { Cli } from "../cli.ts";

interface SystemPrune {
  readonly all: boolean;
  readonly volumes: boolean;
  readonly filters: readonly string[];
  readonly isDryRun: boolean;
}

export function command(): Command {
  const flags = new FlagSet();
  const all = flags.bool("all", false, "Remove all unused images not just dangling ones", { short: "a" });
  const filter = flags.list("filter", 'Provide filter values (e.g. "label=<key>=<value>")', {
    valueName: "filter",
    check: checkFilter,
  });
  const force = flags.bool("force", false, "Do not prompt for confirmation", { short: "f" });
  const volumes = flags.bool("volumes", false, "Prune anonymous volumes");
  const dryRun = flags.bool("dry-run", false, "Only show what would be removed");
  return {
    usage: "[OPTIONS]",
    flags,
    arguments: NO_ARGUMENTS,
    async run(cli) {
      const request: SystemPrune = {
        all: all.value,
        volumes: volumes.value,
        filters: await withConfigured(cli, filter.value),
        isDryRun: dryRun.value,
      };
      // Docker's words; nothing has been removed yet.
      if (request.volumes && filter.value.some((text) => text.startsWith("until=")))
        throw fail("invalid_argument", 'ERROR: The "until" filter is not supported with "--volumes"');
      if (!request.isDryRun && !force.value && !(await confirm(cli, warningOf(request)))) return 0;
      await cli.print(prunedText(await pruneAll(cli, request), request.isDryRun));
      return 0;
    },
  };
}

/** One after the other: what containers stood on is free for those that follow. */
async function pruneAll(cli: Cli, request: SystemPrune): Promise<readonly Pruned[]> {
  const { all, volumes, filters, isDryRun } = request;
  const engine = await cli.engine();
  return [
    await pruneContainers(engine, filters, isDryRun),
    await pruneNetworks(engine, filters, isDryRun),
    ...(volumes ? [await pruneVolumes(engine, filters, isDryRun)] : []),
    await pruneImages(engine, [`dangling=${!all}`, ...filters], isDryRun, true),
    await pruneBuildCache(engine, { all, filters, isDryRun }),
  ];
}

function warningOf({ all, volumes, filters }: SystemPrune): string {
  const lines = [
    "  - all stopped containers",
    "  - all networks not used by at least one container",
    ...(volumes ? ["  - all anonymous volumes not used by at least one container"] : []),
    all ? "  - all images without at least one container associated to them" : "  - all dangling images",
    all ? "  - all build cache" : "  - unused build cache",
  ];
  const filtered =
    filters.length === 0
      ? []
      : ["", "  Items to be pruned will be filtered with:", ...filters.map((text) => `  - ${text}`)];
  return ["WARNING! This will remove:", ...lines, ...filtered, ""].join("\n");
}
