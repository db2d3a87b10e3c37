import { type Fields, flag, isFields, text } from "../../client/fields.ts";
import { type Command, NO_ARGUMENTS } from "../command.ts";
import { filterQuery } from "../filters.ts";
import { FlagSet } from "../flags.ts";
import { checkFilter } from "../options/values.ts";
import { LABEL, labelsText, type ListSpec, printList } from "../output/list.ts";
import { compareNatural } from "../output/natural-order.ts";
import { goTime, shortId } from "../output/text.ts";
import { FORMAT_USAGE } from "../output/usage.ts";

export function command(): Command {
  const flags = new FlagSet();
  const filter = flags.list("filter", 'Provide filter values (e.g. "driver=bridge")', {
    short: "f",
    valueName: "filter",
    check: checkFilter,
  });
  const format = flags.string("format", "", FORMAT_USAGE);
  const noTrunc = flags.bool("no-trunc", false, "Do not truncate the output");
  const quiet = flags.bool("quiet", false, "Only display network IDs", { short: "q" });
  return {
    usage: "[OPTIONS]",
    flags,
    arguments: NO_ARGUMENTS,
    async run(cli) {
      const engine = await cli.engine();
      const query = { filters: filterQuery(filter.value) };
      const answer = await engine.json({ method: "GET", path: "/networks", query });
      const networks = Array.isArray(answer) ? answer.filter(isFields) : [];
      const configured = quiet.value ? "" : (await cli.config()).networksFormat;
      await printList(cli, networkList(networks, !noTrunc.value), {
        format: format.value || configured,
        quiet: quiet.value,
      });
      return 0;
    },
  };
}

export function networkList(networks: readonly Fields[], truncate: boolean): ListSpec<Fields> {
  return {
    rows: [...networks].sort((a, b) => compareNatural(text(a, "Name"), text(b, "Name"))),
    fields: [
      {
        name: "ID",
        header: "NETWORK ID",
        text: (row) => (truncate ? shortId(text(row, "Id")) : text(row, "Id")),
      },
      { name: "Name", header: "NAME", text: (row) => text(row, "Name") },
      { name: "Driver", header: "DRIVER", text: (row) => text(row, "Driver") },
      { name: "Scope", header: "SCOPE", text: (row) => text(row, "Scope") },
      { name: "IPv4", header: "IPV4", text: (row) => String(flag(row, "EnableIPv4")) },
      { name: "IPv6", header: "IPV6", text: (row) => String(flag(row, "EnableIPv6")) },
      { name: "Internal", header: "INTERNAL", text: (row) => String(flag(row, "Internal")) },
      { name: "Labels", header: "LABELS", text: labelsText },
      { name: "CreatedAt", header: "CREATED AT", text: (row) => goTime(text(row, "Created")) },
    ],
    columns: ["ID", "Name", "Driver", "Scope"],
    identity: "ID",
    typeName: "*network.networkContext",
    raw: [
      ["network_id", "ID"],
      ["name", "Name"],
      ["driver", "Driver"],
      ["scope", "Scope"],
    ],
    lookups: [LABEL],
  };
}
