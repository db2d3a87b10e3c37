/** Keys that a JSON object has twice: JSON.parse takes the last of them without a word, and whoever reads the first believes it. */

/** Of the outermost object of a document that is valid. */
export function doubledKeys(text: string): readonly string[] {
  const seen = new Set<string>();
  const doubled = new Set<string>();
  let depth = 0;
  // A text, or what opens or closes.
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/g)) {
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    else if (depth === 1 && /^\s*:/.test(text.slice(index + token.length))) {
      const key: unknown = JSON.parse(token);
      if (typeof key !== "string") continue;
      if (seen.has(key)) doubled.add(key);
      seen.add(key);
    }
  }
  return [...doubled];
}
