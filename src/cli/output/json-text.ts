/**
 * A JSON text with four blanks per level, as `inspect` prints it. Works on the text itself: numbers keep every digit and
 * keys their order.
 */
export function indentJson(source: string, level = 0): string {
  let depth = level;
  let previous = "";
  // A line break waits for the next token, for an empty object or array has none. Pieces, not one text: of a thousand
  // containers that would be copied at every look into it.
  const pieces: string[] = [];
  for (const [token] of source.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/gs)) {
    const opened = previous === "{" || previous === "[";
    const closes = token === "}" || token === "]";
    if (closes) depth--;
    if (previous === "," || opened !== closes) pieces.push(`\n${"    ".repeat(depth)}`);
    if (token === "{" || token === "[") depth++;
    pieces.push(token === ":" ? ": " : token);
    previous = token;
  }
  return pieces.join("");
}
