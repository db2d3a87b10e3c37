import { formatDecimalSize } from "../../base/units.ts";
import { type Fields, isFields, number, text, textList } from "../../client/fields.ts";
import type { Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { filterQuery } from "../filters.ts";
import { FlagSet } from "../flags.ts";
import { checkFilter } from "../options/values.ts";
import { type ListSpec, printList } from "../output/list.ts";
import { ago, localTime, shortId } from "../output/text.ts";
import { FORMAT_USAGE } from "../output/usage.ts";

export function command(): Command {
  const flags = new FlagSet();
  const all = flags.bool("all", false, "Show all images (default hides intermediate images)", { short: "a" });
  const digests = flags.bool("digests", false, "Show digests");
  const filter = flags.list("filter", "Filter output based on conditions provided", {
    short: "f",
    valueName: "filter",
    check: checkFilter,
  });
  const format = flags.string("format", "", FORMAT_USAGE);
  const noTrunc = flags.bool("no-trunc", false, "Don't truncate output");
  const quiet = flags.bool("quiet", false, "Only show image IDs", { short: "q" });
  const tree = flags.bool("tree", false, "List multi-platform images as a tree");
  return {
    usage: "[OPTIONS] [REPOSITORY[:TAG]]",
    flags,
    arguments: { least: 0, most: 1 },
    async run(cli, [reference]) {
      if (tree.value) {
        const other = [
          [quiet.value, "--quiet"],
          [digests.value, "--digests"],
          [format.value !== "", "--format"],
        ].find(([isGiven]) => isGiven === true);
        if (other !== undefined) throw new Exit(1, `${other[1]} is not yet supported with --tree`);
      }
      const engine = await cli.engine();
      const filters = reference === undefined ? filter.value : [...filter.value, `reference=${reference}`];
      const answer = await engine.json({
        method: "GET",
        path: "/images/json",
        query: {
          all: all.value ? 1 : undefined,
          manifests: tree.value ? 1 : undefined,
          filters: filterQuery(filters),
        },
      });
      const images = Array.isArray(answer) ? answer.filter(isFields) : [];
      if (tree.value) {
        const { treeView } = await import("./tree-view.ts");
        await cli.out.write(treeView(images, !noTrunc.value));
        return 0;
      }
      const spec = imageList(images, {
        truncate: !noTrunc.value,
        digests: digests.value,
        now: Date.now() / 1000,
      });
      const configured = quiet.value ? "" : (await cli.config()).imagesFormat;
      await printList(cli, spec, { format: format.value || configured, quiet: quiet.value });
      return 0;
    },
  };
}

/** One row: an image under one of its names. */
export interface ImageRow {
  readonly image: Fields;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

export interface ImageListOptions {
  readonly truncate: boolean;
  readonly digests: boolean;
  /** Unix seconds. */
  readonly now: number;
}

export function imageList(images: readonly Fields[], options: ImageListOptions): ListSpec<ImageRow> {
  const { truncate, now } = options;
  const size = (row: ImageRow, digits: number): string =>
    formatDecimalSize(number(row.image, "Size"), digits);
  return {
    rows: images.flatMap((image) => rowsOf(image, options.digests)),
    fields: [
      {
        name: "ID",
        header: "IMAGE ID",
        text: ({ image }) => (truncate ? shortId(text(image, "Id")) : text(image, "Id")),
      },
      { name: "Repository", header: "REPOSITORY", text: (row) => row.repository },
      { name: "Tag", header: "TAG", text: (row) => row.tag },
      { name: "Digest", header: "DIGEST", text: (row) => row.digest },
      {
        name: "CreatedSince",
        header: "CREATED",
        text: ({ image }) => createdSince(number(image, "Created"), now),
      },
      { name: "CreatedAt", header: "CREATED AT", text: ({ image }) => localTime(number(image, "Created")) },
      { name: "Size", header: "SIZE", text: (row) => size(row, 3) },
      {
        name: "Containers",
        header: "CONTAINERS",
        text: ({ image }) => computed(image, "Containers", String),
      },
      { name: "VirtualSize", header: "SIZE", text: (row) => size(row, 4) },
      {
        name: "SharedSize",
        header: "SHARED SIZE",
        text: ({ image }) => computed(image, "SharedSize", formatDecimalSize),
      },
      { name: "UniqueSize", header: "UNIQUE SIZE", text: ({ image }) => uniqueSize(image) },
    ],
    columns: ["Repository", "Tag", ...(options.digests ? ["Digest"] : []), "ID", "CreatedSince", "Size"],
    identity: "ID",
    typeName: "*formatter.imageContext",
    raw: [
      ["repository", "Repository"],
      ["tag", "Tag"],
      ...(options.digests ? [["digest", "Digest"] as const] : []),
      ["image_id", "ID"],
      ["created_at", "CreatedAt"],
      ["virtual_size", "Size"],
    ],
  };
}

function createdSince(created: number, now: number): string {
  return created <= 0 ? "N/A" : ago(created, now);
}

function computed(image: Fields, field: string, format: (value: number) => string): string {
  const value = typeof image[field] === "number" ? number(image, field) : -1;
  return value < 0 ? "N/A" : format(value);
}

function uniqueSize(image: Fields): string {
  const shared = typeof image["SharedSize"] === "number" ? number(image, "SharedSize") : -1;
  return shared < 0 ? "N/A" : formatDecimalSize(number(image, "Size") - shared);
}

const NONE = "<none>";

function rowsOf(image: Fields, withDigests: boolean): ImageRow[] {
  const tags = new Map<string, string[]>();
  const digests = new Map<string, string[]>();
  for (const tagged of textList(image, "RepoTags").filter((name) => name !== `${NONE}:${NONE}`)) {
    const cut = tagged.lastIndexOf(":");
    append(tags, tagged.slice(0, cut), tagged.slice(cut + 1));
  }
  for (const pinned of textList(image, "RepoDigests").filter((name) => name !== `${NONE}@${NONE}`)) {
    const cut = pinned.indexOf("@");
    append(digests, pinned.slice(0, cut), pinned.slice(cut + 1));
  }
  if (tags.size === 0 && digests.size === 0) return [{ image, repository: NONE, tag: NONE, digest: NONE }];
  const rows: ImageRow[] = [];
  for (const repository of new Set([...tags.keys(), ...digests.keys()])) {
    const ofTags = tags.get(repository) ?? [];
    const ofDigests = digests.get(repository) ?? [];
    const shown = withDigests && ofDigests.length > 0 ? ofDigests : [ofDigests[0] ?? NONE];
    for (const tag of ofTags.length > 0 ? ofTags : [NONE])
      for (const digest of shown)
        rows.push({ image, repository, tag, digest: withDigests || ofTags.length === 0 ? digest : NONE });
  }
  return rows;
}

function append(map: Map<string, string[]>, key: string, value: string): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}
