/** Columns as wide as their longest cell and three spaces, twelve at least, the last one as it comes: runc's layout. */
export function table(rows: readonly (readonly string[])[]): string {
  const columns = rows[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(12, ...rows.map((row) => (row[column]?.length ?? 0) + 3)),
  );
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === columns - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join("");
  return rows.map((row) => `${line(row)}\n`).join("");
}
