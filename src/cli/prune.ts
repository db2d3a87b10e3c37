/** What every prune command shares: the calls, and what is printed of their answers. */
import { formatDecimalSize } from "../base/units.ts";
import type { EngineClient } from "../client/engine-client.ts";
import { children, type Fields, fieldsOf, number, text, textList } from "../client/fields.ts";
import type { Cli } from "./cli.ts";
import { filterQuery } from "./filters.ts";
import type { FlagSet } from "./flags.ts";
import { checkFilter } from "./options/values.ts";

export interface Pruned {
  /** "Images" as in "Deleted Images:". */
  readonly what: string;
  readonly lines: readonly string[];
  readonly bytes: number;
}

/** Of the commands that prune one kind of thing. */
export function pruneFlags(flags: FlagSet) {
  return {
    filter: flags.list("filter", 'Provide filter values (e.g. "until=<timestamp>")', {
      valueName: "filter",
      check: checkFilter,
    }),
    force: flags.bool("force", false, "Do not prompt for confirmation", { short: "f" }),
    dryRun: flags.bool("dry-run", false, "Only show what would be removed"),
  };
}

/** Those of the command line and of the configuration; a label that is asked for here is not excluded there, and the other way round. */
export async function withConfigured(cli: Cli, filters: readonly string[]): Promise<readonly string[]> {
  const { pruneFilters } = await cli.config();
  const configured = pruneFilters.filter((filter) => {
    const [, name = "", value = ""] = /^([^=]*)=(.*)$/s.exec(filter) ?? [];
    const opposite = name === "label" ? "label!" : "label";
    return value !== "" && !(name.startsWith("label") && filters.includes(`${opposite}=${value}`));
  });
  return [...filters, ...configured];
}

export async function pruneContainers(
  engine: EngineClient,
  filters: readonly string[],
  isDryRun: boolean,
): Promise<Pruned> {
  const report = await post(engine, "/containers/prune", filters, isDryRun);
  return pruned("Containers", textList(report, "ContainersDeleted"), report);
}

/** A dry run `afterContainers` tells what would go if the containers had gone before. */
export async function pruneImages(
  engine: EngineClient,
  filters: readonly string[],
  isDryRun: boolean,
  afterContainers = false,
): Promise<Pruned> {
  const query = {
    ...queryOf(filters, isDryRun),
    "after-containers": isDryRun && afterContainers ? 1 : undefined,
  };
  const report = fieldsOf(await engine.json({ method: "POST", path: "/images/prune", query }));
  const lines = children(report, "ImagesDeleted").map((item) => {
    const untagged = text(item, "Untagged");
    return untagged === "" ? `deleted: ${text(item, "Deleted")}` : `untagged: ${untagged}`;
  });
  return pruned("Images", lines, report);
}

export async function pruneNetworks(
  engine: EngineClient,
  filters: readonly string[],
  isDryRun: boolean,
): Promise<Pruned> {
  const report = await post(engine, "/networks/prune", filters, isDryRun);
  return pruned("Networks", textList(report, "NetworksDeleted"), report);
}

export async function pruneVolumes(
  engine: EngineClient,
  filters: readonly string[],
  isDryRun: boolean,
): Promise<Pruned> {
  const report = await post(engine, "/volumes/prune", filters, isDryRun);
  return pruned("Volumes", textList(report, "VolumesDeleted"), report);
}

export async function pruneBuildCache(
  engine: EngineClient,
  options: { readonly all: boolean; readonly filters: readonly string[]; readonly isDryRun: boolean },
): Promise<Pruned> {
  const query = { ...queryOf(options.filters, options.isDryRun), all: options.all ? 1 : undefined };
  const report = fieldsOf(await engine.json({ method: "POST", path: "/build/prune", query }));
  return pruned("build cache objects", textList(report, "CachesDeleted"), report);
}

/** The lists of what went, and the sum. */
export function prunedText(all: readonly Pruned[], isDryRun: boolean): string {
  const bytes = formatDecimalSize(all.reduce((sum, one) => sum + one.bytes, 0));
  return [
    ...prunedLists(all, isDryRun),
    isDryRun ? `Total space to be reclaimed: ${bytes}` : `Total reclaimed space: ${bytes}`,
  ].join("\n");
}

/** One for each kind of which something went. */
export function prunedLists(all: readonly Pruned[], isDryRun: boolean): readonly string[] {
  return all
    .filter(({ lines }) => lines.length > 0)
    .map(
      ({ what, lines }) =>
        `${isDryRun ? `${what} to be deleted` : `Deleted ${what}`}:\n${lines.join("\n")}\n`,
    );
}

async function post(
  engine: EngineClient,
  path: string,
  filters: readonly string[],
  isDryRun: boolean,
): Promise<Fields> {
  return fieldsOf(await engine.json({ method: "POST", path, query: queryOf(filters, isDryRun) }));
}

function queryOf(
  filters: readonly string[],
  isDryRun: boolean,
): Readonly<Record<string, string | number | undefined>> {
  return { filters: filterQuery(filters), "dry-run": isDryRun ? 1 : undefined };
}

function pruned(what: string, lines: readonly string[], report: Fields): Pruned {
  return { what, lines, bytes: "SpaceReclaimed" in report ? number(report, "SpaceReclaimed") : 0 };
}
