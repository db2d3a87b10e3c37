/**
 * Texts in the order that people expect of numbered names: "net2" before "net10". Runs of digits compare by their value,
 * then the one with fewer leading zeros first; all else byte by byte, digits before everything.
 */
export function compareNatural(a: string, b: string): number {
  const left = partsOf(a);
  const right = partsOf(b);
  for (let at = 0; at < left.length && at < right.length; at++) {
    const order = compareParts(left[at] ?? "", right[at] ?? "");
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/** Runs of digits, and single characters. */
function partsOf(text: string): readonly string[] {
  return text.match(/\d+|\D/gu) ?? [];
}

function compareParts(a: string, b: string): number {
  const isNumber = startsWithDigit(a);
  if (isNumber !== startsWithDigit(b)) return isNumber ? -1 : 1;
  if (!isNumber) return (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0);
  const left = withoutZeros(a);
  const right = withoutZeros(b);
  if (left.length !== right.length) return left.length - right.length;
  if (left !== right) return left < right ? -1 : 1;
  return a.length - b.length;
}

function startsWithDigit(text: string): boolean {
  return /^\d/.test(text);
}

function withoutZeros(digits: string): string {
  return digits.replace(/^0+/, "");
}
