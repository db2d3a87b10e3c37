/**
 * Ranges, both kinds. Pure.
 *
 * - What a reader asks for (`Range: bytes=…`, RFC 9110 section 14): one part or several.
 * - Where a writer's chunk belongs (`Content-Range: 0-1023`, the distribution specification's own notation).
 */

/** `end` is the last byte, as in the header. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type Wanted =
  | { readonly kind: "whole" }
  | { readonly kind: "parts"; readonly parts: readonly Span[] }
  | { readonly kind: "unsatisfiable" };

/** More parts than this is nobody who wants to read. */
const MAX_PARTS = 16;
const WHOLE: Wanted = { kind: "whole" };

/**
 * As Go's file server, which docker-registry uses: a range that cannot be read is not satisfiable; parts that together are
 * more than the whole get the whole. Other units than bytes are not ours to understand and ignored.
 */
export function wantedSpans(header: string | undefined, sizeBytes: number): Wanted {
  if (header === undefined || !/^bytes=/i.test(header)) return WHOLE;
  const specs = header
    .slice("bytes=".length)
    .split(",", MAX_PARTS + 2)
    .map((spec) => spec.trim())
    .filter((spec) => spec !== "");
  if (specs.length > MAX_PARTS) return WHOLE;
  const parts: Span[] = [];
  for (const spec of specs) {
    const span = spanOf(spec, sizeBytes);
    if (span === "malformed") return { kind: "unsatisfiable" };
    if (span !== "outside") parts.push(span);
  }
  if (parts.length === 0) return { kind: "unsatisfiable" };
  const total = parts.reduce((sum, { start, end }) => sum + end - start + 1, 0);
  return total > sizeBytes ? WHOLE : { kind: "parts", parts };
}

function spanOf(spec: string, sizeBytes: number): Span | "malformed" | "outside" {
  const match = /^(\d{0,15})-(\d{0,15})$/.exec(spec);
  const [from, to] = [match?.[1] ?? "", match?.[2] ?? ""];
  if (match === null || (from === "" && to === "")) return "malformed";
  if (from === "") {
    const length = Math.min(Number(to), sizeBytes);
    return length === 0 ? "outside" : { start: sizeBytes - length, end: sizeBytes - 1 };
  }
  const start = Number(from);
  const end = to === "" ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  if (to !== "" && Number(to) < start) return "malformed";
  return start >= sizeBytes ? "outside" : { start, end };
}

/** "0-1023"; undefined when it is anything else. */
export function parseChunkSpan(header: string): Span | undefined {
  const match = /^(\d{1,15})-(\d{1,15})$/.exec(header);
  if (match === null) return undefined;
  const span = { start: Number(match[1]), end: Number(match[2]) };
  return span.end < span.start ? undefined : span;
}

/** What has arrived of an upload. Nothing at all is "0-0", too: what docker-registry says and clients expect. */
export function receivedRange(sizeBytes: number): string {
  return `0-${Math.max(0, sizeBytes - 1)}`;
}
