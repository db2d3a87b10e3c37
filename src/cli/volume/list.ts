import { formatDecimalSize } from "../../base/units.ts";
import { child, children, type Fields, fieldsOf, isFields, number, text } from "../../client/fields.ts";
import { type Command, NO_ARGUMENTS } from "../command.ts";
import { filterQuery } from "../filters.ts";
import { FlagSet } from "../flags.ts";
import { checkFilter } from "../options/values.ts";
import { LABEL, labelsText, type ListSpec, printList } from "../output/list.ts";
import { compareNatural } from "../output/natural-order.ts";
import { FORMAT_USAGE } from "../output/usage.ts";

export function command(): Command {
  const flags = new FlagSet();
  const filter = flags.list("filter", 'Provide filter values (e.g. "dangling=true")', {
    short: "f",
    valueName: "filter",
    check: checkFilter,
  });
  const format = flags.string("format", "", FORMAT_USAGE);
  const quiet = flags.bool("quiet", false, "Only display volume names", { short: "q" });
  return {
    usage: "[OPTIONS]",
    flags,
    arguments: NO_ARGUMENTS,
    async run(cli) {
      const engine = await cli.engine();
      const query = { filters: filterQuery(filter.value) };
      const answer = fieldsOf(await engine.json({ method: "GET", path: "/volumes", query }));
      const configured = quiet.value ? "" : (await cli.config()).volumesFormat;
      await printList(cli, volumeList(children(answer, "Volumes")), {
        format: format.value || configured,
        quiet: quiet.value,
      });
      return 0;
    },
  };
}

const UNKNOWN = "N/A";

/** In the order of names. Links and sizes are known to `system df -v` alone. */
export function volumeList(volumes: readonly Fields[]): ListSpec<Fields> {
  return {
    rows: [...volumes].sort((a, b) => compareNatural(text(a, "Name"), text(b, "Name"))),
    fields: [
      { name: "Name", header: "VOLUME NAME", text: (row) => text(row, "Name") },
      { name: "Driver", header: "DRIVER", text: (row) => text(row, "Driver") },
      { name: "Scope", header: "SCOPE", text: (row) => text(row, "Scope") },
      { name: "Mountpoint", header: "MOUNTPOINT", text: (row) => text(row, "Mountpoint") },
      { name: "Labels", header: "LABELS", text: labelsText },
      { name: "Links", header: "LINKS", text: linksText },
      { name: "Size", header: "SIZE", text: sizeText },
      { name: "Availability", header: "AVAILABILITY", text: () => UNKNOWN },
      { name: "Group", header: "GROUP", text: () => UNKNOWN },
      { name: "Status", header: "STATUS", text: () => UNKNOWN },
    ],
    columns: ["Driver", "Name"],
    identity: "Name",
    typeName: "*formatter.volumeContext",
    raw: [
      ["name", "Name"],
      ["driver", "Driver"],
    ],
    lookups: [LABEL],
  };
}

function linksText(row: Fields): string {
  return hasUsage(row) ? String(number(child(row, "UsageData"), "RefCount")) : UNKNOWN;
}

function sizeText(row: Fields): string {
  return hasUsage(row) ? formatDecimalSize(number(child(row, "UsageData"), "Size")) : UNKNOWN;
}

function hasUsage(row: Fields): boolean {
  return isFields(row["UsageData"]);
}
