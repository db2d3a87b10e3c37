/** Columns as Go's tabwriter lays them out for Docker's lists: at least 10 wide, 3 blanks between, the last one ragged. */

export interface ColumnRule {
  readonly leastWidth: number;
  readonly padding: number;
}

const LISTS: ColumnRule = { leastWidth: 10, padding: 3 };

/**
 * Lays out lines whose cells end in a tab; what follows the last tab stands as it is. A column reaches over neighbouring
 * lines that have it, so lines with fewer cells begin new columns.
 */
export function alignColumns(text: string, rule: ColumnRule = LISTS): string {
  return alignCells(
    text.split("\n").map((line) => line.split("\t")),
    rule,
  );
}

/** As `alignColumns`, of lines in their cells. */
export function alignCells(lines: readonly (readonly string[])[], rule: ColumnRule = LISTS): string {
  // A table that ends in a line end has one line without cells: nothing reaches over it.
  const last = lines.at(-1)?.length === 1 ? lines.length - 1 : lines.length;
  const measure = lines.some((cells) => SURROGATE.test(cells.join(""))) ? widthOf : lengthOf;
  const isEven = lines.every((cells, at) => at >= last || cells.length === lines[0]?.length);
  if (isEven) {
    const even = evenWidths(lines, last, rule, measure);
    return lines.map((cells) => alignLine(cells, even, measure)).join("\n");
  }
  const widths = lines.map((): number[] => []);
  layOut({ lines, widths, rule, measure }, 0, lines.length, 0);
  return lines.map((cells, at) => alignLine(cells, widths[at] ?? [], measure)).join("\n");
}

/** Of a table in which all lines have the same columns, as nearly all are: each is as wide as its widest cell. */
function evenWidths(
  lines: readonly (readonly string[])[],
  count: number,
  rule: ColumnRule,
  measure: Measure,
): number[] {
  const widths: number[] = Array.from({ length: (lines[0]?.length ?? 1) - 1 }, () => rule.leastWidth);
  for (let at = 0; at < count; at++)
    for (let column = 0; column < widths.length; column++) {
      const width = measure(lines[at]?.[column] ?? "") + rule.padding;
      if (width > (widths[column] ?? 0)) widths[column] = width;
    }
  return widths;
}

function alignLine(cells: readonly string[], widths: readonly number[], measure: Measure): string {
  const last = cells.length - 1;
  let line = "";
  for (let column = 0; column < last; column++) {
    const cell = cells[column] ?? "";
    line += cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - measure(cell)));
  }
  return line + (cells[last] ?? "");
}

interface Layout {
  readonly lines: readonly (readonly string[])[];
  readonly widths: readonly number[][];
  readonly rule: ColumnRule;
  readonly measure: Measure;
}

function layOut(layout: Layout, from: number, to: number, column: number): void {
  const { lines, widths, rule, measure } = layout;
  let at = from;
  while (at < to) {
    if (!hasColumn(lines[at], column)) {
      at++;
      continue;
    }
    let end = at;
    let width = rule.leastWidth;
    for (; end < to && hasColumn(lines[end], column); end++)
      width = Math.max(width, measure(lines[end]?.[column] ?? "") + rule.padding);
    for (let line = at; line < end; line++) widths[line]?.push(width);
    layOut(layout, at, end, column + 1);
    at = end;
  }
}

function hasColumn(cells: readonly string[] | undefined, column: number): boolean {
  return cells !== undefined && column < cells.length - 1;
}

const SURROGATE = /[\ud800-\udfff]/;

type Measure = (cell: string) => number;

/** Of cells in a text without surrogates, as nearly all are. */
function lengthOf(cell: string): number {
  return cell.length;
}

/** In code points, as Go's counts. A list has thousands of cells: no array for each. */
function widthOf(cell: string): number {
  let width = cell.length;
  for (let at = 1; at < cell.length; at++) if (isPair(cell.charCodeAt(at - 1), cell.charCodeAt(at))) width--;
  return width;
}

function isPair(first: number, second: number): boolean {
  return first >= 0xd800 && first < 0xdc00 && second >= 0xdc00 && second < 0xe000;
}
