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
  const lines = text.split("\n").map((line) => line.split("\t"));
  // A table that ends in a line end has one line without cells: nothing reaches over it.
  const last = lines.at(-1)?.length === 1 ? lines.length - 1 : lines.length;
  const isEven = lines.every((cells, at) => at >= last || cells.length === lines[0]?.length);
  const even = isEven ? evenWidths(lines, last, rule) : [];
  const widths = lines.map((): number[] => (isEven ? even : []));
  if (!isEven) layOut(lines, widths, rule, 0, lines.length, 0);
  return lines.map((cells, at) => alignLine(cells, widths[at] ?? [])).join("\n");
}

/** Of a table in which all lines have the same columns, as nearly all are: each is as wide as its widest cell. */
function evenWidths(lines: readonly (readonly string[])[], count: number, rule: ColumnRule): number[] {
  const widths: number[] = Array.from({ length: (lines[0]?.length ?? 1) - 1 }, () => rule.leastWidth);
  for (let at = 0; at < count; at++)
    for (let column = 0; column < widths.length; column++) {
      const width = widthOf(lines[at]?.[column] ?? "") + rule.padding;
      if (width > (widths[column] ?? 0)) widths[column] = width;
    }
  return widths;
}

function alignLine(cells: readonly string[], widths: readonly number[]): string {
  const last = cells.length - 1;
  let line = "";
  for (let column = 0; column < last; column++) line += padTo(cells[column] ?? "", widths[column] ?? 0);
  return line + (cells[last] ?? "");
}

function layOut(
  lines: readonly (readonly string[])[],
  widths: readonly number[][],
  rule: ColumnRule,
  from: number,
  to: number,
  column: number,
): void {
  let at = from;
  while (at < to) {
    if (!hasColumn(lines[at], column)) {
      at++;
      continue;
    }
    let end = at;
    let width = rule.leastWidth;
    for (; end < to && hasColumn(lines[end], column); end++)
      width = Math.max(width, widthOf(lines[end]?.[column] ?? "") + rule.padding);
    for (let line = at; line < end; line++) widths[line]?.push(width);
    layOut(lines, widths, rule, at, end, column + 1);
    at = end;
  }
}

function hasColumn(cells: readonly string[] | undefined, column: number): boolean {
  return cells !== undefined && column < cells.length - 1;
}

const SURROGATE = /[\ud800-\udfff]/;

/** In code points, as Go's counts. A list has thousands of cells: no array for each. */
function widthOf(cell: string): number {
  let width = cell.length;
  if (!SURROGATE.test(cell)) return width;
  for (let at = 1; at < cell.length; at++) if (isPair(cell.charCodeAt(at - 1), cell.charCodeAt(at))) width--;
  return width;
}

function isPair(first: number, second: number): boolean {
  return first >= 0xd800 && first < 0xdc00 && second >= 0xdc00 && second < 0xe000;
}

function padTo(cell: string, width: number): string {
  return cell + " ".repeat(Math.max(0, width - widthOf(cell)));
}
