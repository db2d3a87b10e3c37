import { messageOf } from "../../base/errors.ts";
import type { Cli } from "../cli.ts";
import { type Command, NO_ARGUMENTS } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { printDocument } from "../output/inspect.ts";
import { type ListSpec, printList } from "../output/list.ts";
import { compareNatural } from "../output/natural-order.ts";
import { FORMAT_USAGE } from "../output/usage.ts";
import { defaultContext } from "./any.ts";
import { currentContextName } from "./current.ts";
import { type Context, descriptionOf, hostOf, listContexts, readContext } from "./store.ts";

interface Row {
  readonly Name: string;
  readonly Description: string;
  readonly DockerEndpoint: string;
  readonly Current: boolean;
  readonly Error: string;
  readonly ContextType: "moby" | "";
}

const MAX_ERROR_LENGTH = 45;

export function command(): Command {
  const flags = new FlagSet();
  const format = flags.string("format", "", FORMAT_USAGE);
  const quiet = flags.bool("quiet", false, "Only show context names", { short: "q" });
  return {
    usage: "[OPTIONS]",
    flags,
    arguments: NO_ARGUMENTS,
    async run(cli) {
      const rows = await listed(cli);
      const isTable = format.value === "" || format.value.startsWith("table");
      if (quiet.value || isTable)
        await printList(cli, contextList(rows, format.value), { format: format.value, quiet: quiet.value });
      else
        for (const row of rows)
          if (format.value === "json") await cli.print(JSON.stringify(row));
          else await printDocument(cli, format.value, row);
      if (cli.variable("DOCKER_HOST"))
        await cli.warn(
          "Warning: DOCKER_HOST environment variable overrides the active context. To use a context, either set the global --context flag, or unset DOCKER_HOST environment variable.",
        );
      return 0;
    },
  };
}

/** A current one that is not there has a row, too, which says so. */
async function listed(cli: Cli): Promise<readonly Row[]> {
  const { directory } = await cli.config();
  const current = await currentContextName(cli);
  const rows = (await listContexts(directory)).map((context) => rowOf(context, current));
  rows.push(rowOf(await defaultContext(cli), current));
  if (!rows.some(({ Current }) => Current)) {
    const why = await readContext(directory, current).then(() => "", messageOf);
    rows.push({
      Name: current,
      Description: "",
      DockerEndpoint: "",
      Current: true,
      Error: why.length > MAX_ERROR_LENGTH ? `${why.slice(0, MAX_ERROR_LENGTH - 1)}…` : why,
      ContextType: "",
    });
  }
  return rows.sort((a, b) => compareNatural(a.Name, b.Name));
}

function rowOf(context: Context, current: string): Row {
  return {
    Name: context.name,
    Description: descriptionOf(context),
    DockerEndpoint: hostOf(context),
    Current: context.name === current,
    Error: "",
    ContextType: "moby",
  };
}

function contextList(rows: readonly Row[], format: string): ListSpec<Row> {
  // The default table marks the current one.
  const isMarked = (row: Row): boolean => row.Current && (format === "" || format === "table");
  return {
    rows,
    fields: [
      { name: "Name", header: "NAME", text: (row) => `${row.Name}${isMarked(row) ? " *" : ""}` },
      { name: "Description", header: "DESCRIPTION", text: (row) => row.Description },
      { name: "DockerEndpoint", header: "DOCKER ENDPOINT", text: (row) => row.DockerEndpoint },
      { name: "Current", header: "CURRENT", text: (row) => String(row.Current) },
      { name: "Error", header: "ERROR", text: (row) => row.Error },
      { name: "ContextType", header: "TYPE", text: (row) => row.ContextType },
      { name: "Identity", header: "NAME", text: (row) => row.Name },
    ],
    columns: ["Name", "Description", "DockerEndpoint", "Error"],
    identity: "Identity",
    typeName: "*formatter.clientContextContext",
  };
}
