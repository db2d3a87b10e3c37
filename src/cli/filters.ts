/** `--filter key=value`, repeated: the `filters` parameter of the API, `{"key":{"value":true}}`; undefined for none. */
export function filterQuery(filters: readonly string[]): string | undefined {
  if (filters.length === 0) return undefined;
  const byKey = new Map<string, Set<string>>();
  for (const filter of filters) {
    const cut = filter.indexOf("=");
    const key = filter.slice(0, cut).trim().toLowerCase();
    const values = byKey.get(key) ?? new Set();
    values.add(filter.slice(cut + 1).trim());
    byKey.set(key, values);
  }
  const parts = [...byKey].map(
    ([key, values]) =>
      `${JSON.stringify(key)}:{${[...values].map((value) => `${JSON.stringify(value)}:true`).join(",")}}`,
  );
  return `{${parts.join(",")}}`;
}
