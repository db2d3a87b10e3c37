/**
 * A JSON text with four blanks per level, as `inspect` prints it. Works on the text itself: numbers keep every digit and
 * keys their order.
 */
export function indentJson(source: string, level = 0): string {
  let depth = level;
  let output = "";
  const newline = (): string => `\n${"    ".repeat(depth)}`;
  for (const [token] of source.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/gs)) {
    if (token === "{" || token === "[") {
      output += token;
      depth++;
      output += newline();
    } else if (token === "}" || token === "]") {
      depth--;
      output = /[{[]\s*$/.test(output.slice(-300)) ? output.trimEnd() : output + newline();
      output += token;
    } else if (token === ",") output += `,${newline()}`;
    else output += token === ":" ? ": " : token;
  }
  return output;
}
