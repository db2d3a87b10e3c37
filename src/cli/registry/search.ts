import { type Fields, flag, isFields, number, text } from "../../client/fields.ts";
import { type Command, exactly } from "../command.ts";
import { filterQuery } from "../filters.ts";
import { FlagSet } from "../flags.ts";
import { type ListSpec, printList } from "../output/list.ts";
import { ellipsis } from "../output/text.ts";
import { encoded } from "../registry-auth.ts";
import { accountFor } from "./accounts.ts";

const DESCRIPTION_LENGTH = 45;

export function command(): Command {
  const flags = new FlagSet();
  const filter = flags.list("filter", "Filter output based on conditions provided", {
    short: "f",
    valueName: "filter",
  });
  const format = flags.string("format", "", "Pretty-print search using a Go template");
  const limit = flags.int("limit", 0, "Max number of search results");
  const noTrunc = flags.bool("no-trunc", false, "Don't truncate output");
  return {
    usage: "[OPTIONS] TERM",
    flags,
    arguments: exactly(1),
    async run(cli, [term = ""]) {
      const engine = await cli.engine();
      const account = await accountFor(cli, hostOf(term));
      const answer = await engine.json({
        method: "GET",
        path: "/images/search",
        query: { term, limit: limit.value, filters: filterQuery(filter.value) },
        headers: new Map(account === undefined ? [] : [["X-Registry-Auth", encoded(account)]]),
      });
      const found = Array.isArray(answer) ? answer.filter(isFields) : [];
      found.sort((a, b) => number(b, "star_count") - number(a, "star_count"));
      await printList(cli, searchList(found, noTrunc.value), { format: format.value, quiet: false });
      return 0;
    },
  };
}

function hostOf(term: string): string {
  const slash = term.indexOf("/");
  const first = slash === -1 ? "" : term.slice(0, slash);
  return /[.:]/.test(first) || first === "localhost" ? first : "docker.io";
}

function searchList(rows: readonly Fields[], isWhole: boolean): ListSpec<Fields> {
  const description = (row: Fields): string => {
    const line = text(row, "description").replaceAll(/[\n\r]/g, " ");
    return isWhole ? line : ellipsis(line, DESCRIPTION_LENGTH);
  };
  return {
    rows,
    fields: [
      { name: "Name", header: "NAME", text: (row) => text(row, "name") },
      { name: "Description", header: "DESCRIPTION", text: description },
      { name: "StarCount", header: "STARS", text: (row) => String(number(row, "star_count")) },
      { name: "IsOfficial", header: "OFFICIAL", text: (row) => (flag(row, "is_official") ? "[OK]" : "") },
      { name: "IsAutomated", header: "AUTOMATED", text: () => "" },
    ],
    columns: ["Name", "Description", "StarCount", "IsOfficial"],
    identity: "Name",
    typeName: "*formatter.searchContext",
  };
}
