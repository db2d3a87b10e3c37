import { formatDecimalSize } from "../../base/units.ts";
import { child, children, type Fields, fieldsOf, number, text, textList } from "../../client/fields.ts";
import type { Cli } from "../cli.ts";
import { type Command, NO_ARGUMENTS } from "../command.ts";
import { containerList } from "../container/list.ts";
import { FlagSet } from "../flags.ts";
import { imageList } from "../image/list.ts";
import { printDocument } from "../output/inspect.ts";
import { type ListSpec, printList } from "../output/list.ts";
import { FORMAT_USAGE } from "../output/usage.ts";
import { fromPairs } from "../options/values.ts";
import { volumeList } from "../volume/list.ts";

export function command(): Command {
  const flags = new FlagSet();
  const format = flags.string("format", "", FORMAT_USAGE);
  const verbose = flags.bool("verbose", false, "Show detailed information on space usage", { short: "v" });
  return {
    usage: "[OPTIONS]",
    flags,
    arguments: NO_ARGUMENTS,
    async run(cli) {
      const engine = await cli.engine();
      const usage = fieldsOf(await engine.json({ method: "GET", path: "/system/df" }));
      if (verbose.value) await printVerbose(cli, usage, format.value);
      else await printList(cli, summaryList(usage), { format: format.value, quiet: false });
      return 0;
    },
  };
}

/** One line of the summary. */
export interface UsageRow {
  readonly type: string;
  readonly total: number;
  readonly active: number;
  readonly bytes: number;
  readonly reclaimableBytes: number;
  /** Shown as a part of all even when there is nothing: Docker's way with images and containers. */
  readonly percent: boolean;
}

export function summaryList(usage: Fields): ListSpec<UsageRow> {
  const images = children(usage, "Images");
  const containers = children(usage, "Containers");
  const layersSize = number(usage, "LayersSize");
  const used = images.filter((image) => number(image, "Containers") > 0);
  const bytesOf = (rows: readonly Fields[]): number =>
    rows.reduce((sum, row) => sum + number(row, "SizeRw"), 0);
  const idle = containers.filter((row) => !isActive(row));
  const rows: UsageRow[] = [
    {
      type: "Images",
      total: images.length,
      active: used.length,
      bytes: layersSize,
      // What images in use share with others counts as reclaimable, as with Docker.
      reclaimableBytes:
        layersSize -
        used.reduce(
          (sum, image) => sum + number(image, "Size") - Math.max(0, number(image, "SharedSize")),
          0,
        ),
      percent: true,
    },
    {
      type: "Containers",
      total: containers.length,
      active: containers.length - idle.length,
      bytes: bytesOf(containers),
      reclaimableBytes: bytesOf(idle),
      percent: true,
    },
    volumesRow(children(usage, "Volumes")),
    { type: "Build Cache", total: 0, active: 0, bytes: 0, reclaimableBytes: 0, percent: false },
  ];
  return {
    rows,
    fields: [
      { name: "Type", header: "TYPE", text: (row) => row.type },
      { name: "TotalCount", header: "TOTAL", text: (row) => String(row.total) },
      { name: "Active", header: "ACTIVE", text: (row) => String(row.active) },
      { name: "Size", header: "SIZE", text: (row) => formatDecimalSize(row.bytes) },
      { name: "Reclaimable", header: "RECLAIMABLE", text: reclaimable },
    ],
    columns: ["Type", "TotalCount", "Active", "Size", "Reclaimable"],
    identity: "Type",
    typeName: "*formatter.diskUsageImagesContext",
    raw: [
      ["type", "Type"],
      ["total", "TotalCount"],
      ["active", "Active"],
      ["size", "Size"],
      ["reclaimable", "Reclaimable"],
    ],
  };
}

function volumesRow(volumes: readonly Fields[]): UsageRow {
  const isUsed = (volume: Fields): boolean => number(child(volume, "UsageData"), "RefCount") > 0;
  const bytesOf = (rows: readonly Fields[]): number =>
    rows.reduce((sum, row) => sum + Math.max(0, number(child(row, "UsageData"), "Size")), 0);
  return {
    type: "Local Volumes",
    total: volumes.length,
    active: volumes.filter(isUsed).length,
    bytes: bytesOf(volumes),
    reclaimableBytes: bytesOf(volumes.filter((volume) => !isUsed(volume))),
    percent: true,
  };
}

function reclaimable({ bytes, reclaimableBytes, percent }: UsageRow): string {
  const size = formatDecimalSize(reclaimableBytes);
  return percent && bytes > 0 ? `${size} (${Math.floor((reclaimableBytes * 100) / bytes)}%)` : size;
}

function isActive(container: Fields): boolean {
  const state = text(container, "State");
  return state === "running" || state === "paused" || state === "restarting";
}

async function printVerbose(cli: Cli, usage: Fields, format: string): Promise<void> {
  const isTable = format === "" || format === "table";
  const now = Date.now() / 1000;
  const images = { ...imageList(imagesOf(usage), { truncate: isTable, digests: false, now }) };
  const containers = containerList(children(usage, "Containers"), isTable, false, now);
  const sized: ListSpec<Fields> = {
    ...containers,
    fields: containers.fields.map((field) =>
      field.name === "Size"
        ? { ...field, text: (row: Fields) => formatDecimalSize(number(row, "SizeRw"), 3) }
        : field,
    ),
    columns: ["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"],
  };
  const volumes = {
    ...volumeList(children(usage, "Volumes")),
    columns: ["Name", "Links", "Size"],
  };
  const columns = [...images.columns, "SharedSize", "UniqueSize", "Containers"];
  if (isTable) {
    await cli.print("Images space usage:\n");
    await printList(cli, { ...images, columns }, { format: "", quiet: false });
    await cli.print("\nContainers space usage:\n");
    await printList(cli, sized, { format: "", quiet: false });
    await cli.print("\nLocal Volumes space usage:\n");
    await printList(cli, volumes, { format: "", quiet: false });
    await cli.print(
      "\nBuild cache usage: 0B\n\nCACHE ID   CACHE TYPE   SIZE      CREATED   LAST USED   USAGE     SHARED",
    );
    return;
  }
  const document = fromPairs<unknown>([
    ["Images", objectsOf(images)],
    ["Containers", objectsOf(sized)],
    ["Volumes", objectsOf(volumes)],
    ["BuildCache", []],
  ]);
  await printDocument(cli, format === "json" ? "{{json .}}" : format, document);
}

/** Each image once, under its first name. */
function imagesOf(usage: Fields): readonly Fields[] {
  return children(usage, "Images").map((image) => ({
    ...image,
    RepoTags: textList(image, "RepoTags").slice(0, 1),
    RepoDigests: textList(image, "RepoDigests").slice(0, 1),
  }));
}

/** The rows with all that templates know of them, in the order of the names. */
function objectsOf<Row>(spec: ListSpec<Row>): readonly Readonly<Record<string, string>>[] {
  const fields = spec.fields.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return spec.rows.map((row) => fromPairs(fields.map((field) => [field.name, field.text(row)])));
}
