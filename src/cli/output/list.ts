/** Lists of things, in the formats that `--format` chooses: a table, one document a line, or a template. */
import { type Fields, textMap } from "../../client/fields.ts";
import type { Cli } from "../cli.ts";
import { Exit } from "../exit.ts";
import { plainText } from "./plain-text.ts";
import { alignCells, alignColumns } from "./table.ts";
import type { TemplateRecord } from "./template-value.ts";

export interface ListSpec<Row> {
  readonly rows: readonly Row[];
  /** Every field that templates know, with its column header; `json` prints them in the order of their names. */
  readonly fields: readonly Field<Row>[];
  /** Fields of the default table. */
  readonly columns: readonly string[];
  /** Field that `--quiet` prints alone. */
  readonly identity: string;
  /** What Docker calls such a row; part of the message about a wrong field. */
  readonly typeName: string;
  /** The lines of `--format raw`: label and field. */
  readonly raw?: readonly (readonly [string, string])[];
  /** Fields that a template may ask for a part of, such as `.Label "name"`. */
  readonly lookups?: readonly Lookup<Row>[];
}

export interface Field<Row> {
  readonly name: string;
  readonly header: string;
  readonly text: (row: Row) => string;
}

export interface Lookup<Row> {
  readonly name: string;
  readonly header: (argument: string) => string;
  readonly text: (row: Row, argument: string) => string;
}

export interface ListFormat {
  readonly format: string;
  readonly quiet: boolean;
}

const ONE_LINE_ESCAPES: ReadonlyMap<string, string> = new Map([
  ["\\t", "\t"],
  ["\\n", "\n"],
]);

/** Where a list goes. */
export type Printer = Pick<Cli, "out" | "printMade">;

/** Prints the list; a template's errors end the command with status 1. */
export async function printList<Row>(
  cli: Printer,
  spec: ListSpec<Row>,
  { format, quiet }: ListFormat,
): Promise<void> {
  const fields = new Map(spec.fields.map((field) => [field.name, field]));
  const cell = (row: Row, name: string): string => fields.get(name)?.text(row) ?? "";
  if (quiet && (format === "" || format === "table")) {
    await cli.printMade(spec.rows.map((row) => `${cell(row, spec.identity)}\n`).join(""));
    return;
  }
  if (format === "" || format === "table") {
    const columns = spec.columns.flatMap((name) => fields.get(name) ?? []);
    const lines = spec.rows.map((row) => oneLine(columns.map(({ text }) => text(row))));
    await cli.out.write(`${alignCells([columns.map(({ header }) => header), ...lines])}\n`);
    return;
  }
  if (format === "raw" && spec.raw !== undefined) {
    const { raw } = spec;
    const blocks = spec.rows.map((row) =>
      raw.map(([label, name]) => `${label}: ${cell(row, name)}\n`).join(""),
    );
    await cli.printMade(
      quiet
        ? spec.rows.map((row) => `${raw[0]?.[0] ?? ""}: ${cell(row, spec.identity)}\n`).join("")
        : blocks.map((block) => `${block}\n`).join(""),
    );
    return;
  }
  await printTemplate(cli, spec, format);
}

/** Nearly every row; told at once. */
const NEEDS_NO_CARE = /^[\x20-\x7e]*$/;

/** A tab or line end in a value would break the table. */
function oneLine(cells: readonly string[]): readonly string[] {
  if (NEEDS_NO_CARE.test(cells.join(""))) return cells;
  return cells.map((text) => plainText(text.replaceAll(/[\t\n]/g, " ")));
}

async function printTemplate<Row>(cli: Printer, spec: ListSpec<Row>, format: string): Promise<void> {
  const { compileTemplate, TemplateError } = await import("./template.ts");
  const isTable = format.startsWith("table ");
  const source = format === "json" ? "{{json .}}" : isTable ? format.slice("table ".length) : format;
  const unescaped = source.replaceAll(/\\[tn]/g, (escape) => ONE_LINE_ESCAPES.get(escape) ?? escape);
  let output = "";
  try {
    const template = compileTemplate(unescaped, "");
    if (isTable) output += `${template.header(headerRecord(spec))}\n`;
    for (const row of spec.rows) output += `${template.execute(rowRecord(spec, row))}\n`;
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    await cli.printMade(output);
    throw new Exit(1, `failed to ${error.phase} template: ${error.message}`);
  }
  await cli.printMade(isTable ? alignColumns(output) : output);
}

function rowRecord<Row>(spec: ListSpec<Row>, row: Row): TemplateRecord {
  return {
    kind: "record",
    typeName: spec.typeName,
    fields: new Map(spec.fields.map((field) => [field.name, () => field.text(row)])),
    lookups: new Map(
      (spec.lookups ?? []).map((lookup) => [lookup.name, (argument: string) => lookup.text(row, argument)]),
    ),
  };
}

function headerRecord<Row>(spec: ListSpec<Row>): TemplateRecord {
  return {
    kind: "record",
    typeName: spec.typeName,
    fields: new Map(spec.fields.map((field) => [field.name, () => field.header])),
    lookups: new Map((spec.lookups ?? []).map((lookup) => [lookup.name, lookup.header])),
  };
}

/** The header of `.Label "com.example.some-name"`: its last part, "some name". */
export function labelHeader(name: string): string {
  return (name.split(".").at(-1) ?? "").replaceAll(/[-_]/g, " ");
}

/** `.Label NAME` of whatever has labels. */
export const LABEL: Lookup<Fields> = {
  name: "Label",
  header: labelHeader,
  text: (row, name) => textMap(row, "Labels").get(name) ?? "",
};

/** "NAME=VALUE,NAME=VALUE", by name. */
export function labelsText(row: Fields): string {
  const labels = [...textMap(row, "Labels")].map(([name, value]) => `${name}=${value}`);
  return labels.sort().join(",");
}
