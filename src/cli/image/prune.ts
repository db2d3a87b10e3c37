import { formatDecimalSize } from "../../base/units.ts";
import { children, fieldsOf, number, text } from "../../client/fields.ts";
import { type Command, NO_ARGUMENTS } from "../command.ts";
import { confirm } from "../confirm.ts";
import { filterQuery } from "../filters.ts";
import { FlagSet } from "../flags.ts";
import { checkFilter } from "../options/values.ts";

export function command(): Command {
  const flags = new FlagSet();
  const all = flags.bool("all", false, "Remove all unused images, not just dangling ones", { short: "a" });
  const filter = flags.list("filter", 'Provide filter values (e.g. "until=<timestamp>")', {
    valueName: "filter",
    check: checkFilter,
  });
  const force = flags.bool("force", false, "Do not prompt for confirmation", { short: "f" });
  return {
    usage: "[OPTIONS]",
    flags,
    arguments: NO_ARGUMENTS,
    async run(cli) {
      const what = all.value
        ? "all images without at least one container associated to them."
        : "all dangling images.";
      if (!force.value && !(await confirm(cli, `WARNING! This will remove ${what}`))) {
        await cli.print("Total reclaimed space: 0B");
        return 0;
      }
      const engine = await cli.engine();
      const report = fieldsOf(
        await engine.json({
          method: "POST",
          path: "/images/prune",
          query: { filters: filterQuery([`dangling=${!all.value}`, ...filter.value]) },
        }),
      );
      const lines = children(report, "ImagesDeleted").map((item) => {
        const untagged = text(item, "Untagged");
        return untagged === "" ? `deleted: ${text(item, "Deleted")}` : `untagged: ${untagged}`;
      });
      if (lines.length > 0) await cli.print(`Deleted Images:\n${lines.join("\n")}\n`);
      await cli.print(`Total reclaimed space: ${formatDecimalSize(number(report, "SpaceReclaimed"))}`);
      return 0;
    },
  };
}
