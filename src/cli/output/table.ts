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
  const widths = lines.map((): number[] => []);
  layOut(lines, widths, rule, 0, lines.length, 0);
  return lines
    .map((cells, at) =>
      cells
        .map((cell, column) => (column < cells.length - 1 ? padTo(cell, widths[at]?.[column] ?? 0) : cell))
        .join(""),
    )
    .join("\n");
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

/** In code points, as Go's counts. A list has thousands of cells: no array for each. */
function widthOf(cell: string): number {
  let width = cell.length;
  for (let at = 1; at < cell.length; at++) if (isPair(cell.charCodeAt(at - 1), cell.charCodeAt(at))) width--;
  return width;
}

function isPair(first: number, second: number): boolean {
  return first >= 0xd800 && first < 0xdc00 && second >= 0xdc00 && second < 0xe000;
}

function padTo(cell: string, width: number): string {
  return cell + " ".repeat(Math.max(0, width - widthOf(cell)));
}
