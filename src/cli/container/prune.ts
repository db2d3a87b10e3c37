import { fieldsOf, number, textList } from "../../client/fields.ts";
import { formatDecimalSize } from "../../base/units.ts";
import { type Command, NO_ARGUMENTS } from "../command.ts";
import { confirm } from "../confirm.ts";
import { filterQuery } from "../filters.ts";
import { FlagSet } from "../flags.ts";
import { checkFilter } from "../options/values.ts";

export function command(): Command {
  const flags = new FlagSet();
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
      const warning = "WARNING! This will remove all stopped containers.";
      if (!force.value && !(await confirm(cli, warning))) return 0;
      const engine = await cli.engine();
      const report = fieldsOf(
        await engine.json({
          method: "POST",
          path: "/containers/prune",
          query: { filters: filterQuery(filter.value) },
        }),
      );
      const deleted = textList(report, "ContainersDeleted");
      if (deleted.length > 0) await cli.print(`Deleted Containers:\n${deleted.join("\n")}\n`);
      await cli.print(`Total reclaimed space: ${formatDecimalSize(number(report, "SpaceReclaimed"))}`);
      return 0;
    },
  };
}
