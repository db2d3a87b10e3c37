/** The lists of `diff`. */
import { fieldsOf, number, text } from "../../client/fields.ts";

const LETTERS = ["C", "A", "D"];

/** "C /etc", one line a change; a line end in a name does not begin a line of its own. */
export function changeLines(changes: unknown): readonly string[] {
  if (!Array.isArray(changes)) return [];
  return changes.map((change) => {
    const fields = fieldsOf(change);
    const path = text(fields, "Path").replaceAll("\n", String.raw`\n`);
    return `${LETTERS[number(fields, "Kind")] ?? "?"} ${path}`;
  });
}
