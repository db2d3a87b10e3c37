/** `*` and `?` that do not cross a slash. Linear in text × pattern, so no pattern of a user can stall the daemon. */
export function matchesGlob(text: string, pattern: string): boolean {
  let reached = new Set([0]);
  for (const symbol of pattern) {
    const next = new Set<number>();
    for (const at of reached) {
      if (symbol === "*") {
        for (let end = at; end <= text.length; end++) {
          next.add(end);
          if (text[end] === "/") break;
        }
      } else if (at < text.length && (symbol === "?" ? text[at] !== "/" : text[at] === symbol))
        next.add(at + 1);
    }
    if (next.size === 0) return false;
    reached = next;
  }
  return reached.has(text.length);
}
