/** The candidate that somebody most likely meant, undefined when none is close enough to be worth saying. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const limit = word.length <= 3 ? 1 : 2;
  const close = candidates
    .map((candidate) => ({
      candidate,
      distance: editDistance(word, candidate, limit),
      begins: candidate.startsWith(word),
    }))
    .filter(({ distance, begins }) => distance <= limit || (begins && word.length >= 3));
  close.sort(
    (a, b) =>
      Math.min(a.distance, limit + 1) - Math.min(b.distance, limit + 1) ||
      Number(b.begins) - Number(a.begins) ||
      (a.candidate < b.candidate ? -1 : 1),
  );
  return close[0]?.candidate;
}

/** Insertions, deletions, replacements and swaps of neighbours between two words; anything beyond `limit` is limit + 1. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(at(row, j) + 1, at(next, j - 1) + 1, at(row, j - 1) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, at(before, j - 2) + 1);
      next.push(cost);
    }
    before = row;
    row = next;
  }
  return at(row, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
