import { formatDecimalSize } from "../../base/units.ts";
import {
  child,
  children,
  type Fields,
  fieldsOf,
  isFields,
  number,
  text,
  textList,
} from "../../client/fields.ts";
import type { Cli } from "../cli.ts";
import { type Command, NO_ARGUMENTS } from "../command.ts";
import { type Flag, FlagSet } from "../flags.ts";
import { filterQuery } from "../filters.ts";
import { checkFilter } from "../options/values.ts";
import { LABEL, labelsText, type ListSpec, printList } from "../output/list.ts";
import { displayPorts } from "../output/port-text.ts";
import { ago, ellipsis, goQuote, localTime, shortId } from "../output/text.ts";
import { FORMAT_USAGE } from "../output/usage.ts";

interface ListFlags {
  readonly all: Flag<boolean>;
  readonly filter: Flag<readonly string[]>;
  readonly format: Flag<string>;
  readonly last: Flag<number>;
  readonly latest: Flag<boolean>;
  readonly noTrunc: Flag<boolean>;
  readonly quiet: Flag<boolean>;
  readonly size: Flag<boolean>;
}

export function command(): Command {
  const flags = new FlagSet();
  const list: ListFlags = {
    all: flags.bool("all", false, "Show all containers (default shows just running)", { short: "a" }),
    filter: flags.list("filter", "Filter output based on conditions provided", {
      short: "f",
      valueName: "filter",
      check: checkFilter,
    }),
    format: flags.string("format", "", FORMAT_USAGE),
    last: flags.int("last", -1, "Show n last created containers (includes all states)", { short: "n" }),
    latest: flags.bool("latest", false, "Show the latest created container (includes all states)", {
      short: "l",
    }),
    noTrunc: flags.bool("no-trunc", false, "Don't truncate output"),
    quiet: flags.bool("quiet", false, "Only display container IDs", { short: "q" }),
    size: flags.bool("size", false, "Display total file sizes", { short: "s" }),
  };
  return { usage: "[OPTIONS]", flags, arguments: NO_ARGUMENTS, run: (cli) => listContainers(cli, list) };
}

async function listContainers(cli: Cli, flags: ListFlags): Promise<number> {
  const engine = await cli.engine();
  const format = flags.format.value || (flags.quiet.value ? "" : (await cli.config()).psFormat);
  if (flags.quiet.value && flags.format.value !== "")
    await cli.warn("WARNING: Ignoring custom format, because both --format and --quiet are set.");
  const last = flags.latest.value && flags.last.value === -1 ? 1 : flags.last.value;
  const size = flags.size.value || (format.includes(".Size") && !flags.size.changed);
  const answer = await engine.json({
    method: "GET",
    path: "/containers/json",
    query: {
      all: flags.all.value ? 1 : undefined,
      limit: last > 0 ? last : undefined,
      size: size ? 1 : undefined,
      // What only templates ask for most lists do without; engines that do not know the word tell everything.
      brief: flags.quiet.value || format === "" || format === "table" ? 1 : undefined,
      filters: filterQuery(flags.filter.value),
    },
  });
  const rows = Array.isArray(answer) ? answer.filter(isFields) : [];
  const now = Date.now() / 1000;
  await printList(cli, containerList(rows, !flags.noTrunc.value, flags.size.value, now), {
    format,
    quiet: flags.quiet.value,
  });
  return 0;
}

/** The list as Docker's `ps` knows it; `now` in Unix seconds. */
export function containerList(
  rows: readonly Fields[],
  truncate: boolean,
  withSize: boolean,
  now: number,
): ListSpec<Fields> {
  const fields: ListSpec<Fields>["fields"] = [
    {
      name: "ID",
      header: "CONTAINER ID",
      text: (row) => (truncate ? shortId(text(row, "Id")) : text(row, "Id")),
    },
    { name: "Image", header: "IMAGE", text: (row) => imageText(row, truncate) },
    {
      name: "Command",
      header: "COMMAND",
      text: (row) => goQuote(truncate ? ellipsis(text(row, "Command"), 20) : text(row, "Command")),
    },
    { name: "RunningFor", header: "CREATED", text: (row) => ago(number(row, "Created"), now) },
    { name: "CreatedAt", header: "CREATED AT", text: (row) => localTime(number(row, "Created")) },
    { name: "State", header: "STATE", text: (row) => text(row, "State") },
    { name: "Status", header: "STATUS", text: (row) => text(row, "Status") },
    { name: "HealthStatus", header: "HEALTH STATUS", text: healthStatus },
    { name: "Ports", header: "PORTS", text: (row) => displayPorts(children(row, "Ports").map(portOf)) },
    { name: "Names", header: "NAMES", text: (row) => namesText(row, truncate) },
    { name: "Labels", header: "LABELS", text: labelsText },
    { name: "Mounts", header: "MOUNTS", text: (row) => mountsText(row, truncate) },
    { name: "LocalVolumes", header: "LOCAL VOLUMES", text: (row) => String(localVolumes(row)) },
    { name: "Networks", header: "NETWORKS", text: networksText },
    { name: "Size", header: "SIZE", text: sizeText },
  ];
  const columns = ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];
  return {
    rows,
    fields,
    columns: withSize ? [...columns, "Size"] : columns,
    identity: "ID",
    typeName: "*formatter.ContainerContext",
    raw: [
      ["container_id", "ID"],
      ["image", "Image"],
      ["command", "Command"],
      ["created_at", "CreatedAt"],
      ["state", "State"],
      ["status", "Status"],
      ["names", "Names"],
      ["labels", "Labels"],
      ["ports", "Ports"],
      ...(withSize ? [["size", "Size"] as const] : []),
    ],
    lookups: [LABEL],
  };
}

/** The engine says it inside the status. */
function healthStatus(row: Fields): string {
  return /\((?:health: )?(starting|healthy|unhealthy)\)$/.exec(text(row, "Status"))?.[1] ?? "";
}

function imageText(row: Fields, truncate: boolean): string {
  const image = text(row, "Image");
  if (image === "") return "<no image>";
  if (!truncate) return image;
  const id = shortId(text(row, "ImageID"));
  if (id !== "" && id === shortId(image)) return id;
  const digest = image.indexOf("@");
  return digest > 0 && /:[^/]*$/.test(image.slice(0, digest)) ? image.slice(0, digest) : image;
}

function portOf(port: Fields): { IP?: string; PrivatePort: number; PublicPort?: number; Type: string } {
  const base = { PrivatePort: number(port, "PrivatePort"), Type: text(port, "Type") };
  const ip = text(port, "IP");
  return ip === "" ? base : { ...base, IP: ip, PublicPort: number(port, "PublicPort") };
}

/** Names without the leading slash; those with a further slash are links and only shown in full. */
function namesText(row: Fields, truncate: boolean): string {
  const names = textList(row, "Names").map((name) => (name.startsWith("/") ? name.slice(1) : name));
  return (truncate ? names.filter((name) => !name.includes("/")) : names).join(",");
}

function mountsText(row: Fields, truncate: boolean): string {
  return children(row, "Mounts")
    .map((mount) => text(mount, "Name") || text(mount, "Source"))
    .map((name) => (truncate ? ellipsis(name, 15) : name))
    .join(",");
}

function localVolumes(row: Fields): number {
  return children(row, "Mounts").filter((mount) => text(mount, "Driver") === "local").length;
}

function networksText(row: Fields): string {
  return Object.keys(fieldsOf(child(row, "NetworkSettings")["Networks"])).join(",");
}

function sizeText(row: Fields): string {
  const own = formatDecimalSize(number(row, "SizeRw"), 3);
  const whole = number(row, "SizeRootFs");
  return whole > 0 ? `${own} (virtual ${formatDecimalSize(whole, 3)})` : own;
}
