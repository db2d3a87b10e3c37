/** Blobs: whole, in parts, or only whether they are there. */
import type { Content } from "../core/content/content.ts";
import { isDigest } from "../specs/oci-image/digest.ts";
import { type Call, header } from "./call.ts";
import type { Filling } from "./filling.ts";
import type { Mirror } from "./mirror.ts";
import { wantedSpans, type Span } from "./range.ts";
import { refuse } from "./refusal.ts";
import type { Headers } from "./reply.ts";
import type { Repositories } from "./repositories.ts";

export interface BlobDeps {
  readonly content: Content;
  readonly repositories: Repositories;
  readonly mirror: Mirror | undefined;
  readonly now: () => number;
}

export const OCTETS = "application/octet-stream";
const BOUNDARY = "gantry-registry-part";

/** Throws DIGEST_INVALID, also for algorithms other than sha256: nothing here is stored by them. */
export function checkedDigest(digest: string): string {
  if (isDigest(digest)) return digest;
  throw refuse("DIGEST_INVALID", {
    message: "invalid digest, or one of an algorithm that this registry does not have",
    detail: { digest: digest.slice(0, 200) },
  });
}

export async function getBlob(deps: BlobDeps, call: Call, repository: string, digest: string): Promise<void> {
  checkedDigest(digest);
  const found = deps.repositories.hasBlob(repository, digest) ? deps.content.stat(digest) : undefined;
  if (found !== undefined) {
    // A client that learns that it is here does not send it, and has not pushed the manifest that needs it.
    if (call.method === "HEAD" && call.rights.may("push", repository))
      deps.repositories.refreshLink(repository, digest, deps.now());
    return sendBlob(deps.content, call, found);
  }
  if (deps.mirror !== undefined && (await throughMirror(deps, deps.mirror, call, repository, digest))) return;
  throw refuse("BLOB_UNKNOWN", { detail: { digest } });
}

/** False when no manifest of the repository names it. */
async function throughMirror(
  deps: BlobDeps,
  mirror: Mirror,
  call: Call,
  repository: string,
  digest: string,
): Promise<boolean> {
  if (call.method === "HEAD") {
    const sizeBytes = mirror.blobSize(repository, digest);
    if (sizeBytes === undefined) return false;
    call.reply.head(200, { ...headersOf(digest), "Content-Length": String(sizeBytes) });
    return true;
  }
  const filling = mirror.openBlob(repository, digest);
  if (filling === undefined) return false;
  if (header(call, "range") === undefined) await sendFilling(call, filling);
  else {
    await filling.done;
    await sendBlob(deps.content, call, filling);
  }
  return true;
}

async function sendFilling(call: Call, filling: Filling): Promise<void> {
  const headers = { ...headersOf(filling.digest), "Content-Length": String(filling.sizeBytes) };
  await call.reply.stream(200, headers, filling.read());
}

async function sendBlob(
  content: Content,
  call: Call,
  { digest, sizeBytes }: { readonly digest: string; readonly sizeBytes: number },
): Promise<void> {
  const headers = headersOf(digest);
  const etag = headers["ETag"] ?? "";
  const { reply } = call;
  if (matchesEtag(header(call, "if-none-match"), etag)) return reply.empty(304, headers);
  const condition = header(call, "if-range");
  const isSame = condition === undefined || condition === etag;
  const wanted = wantedSpans(call.method === "GET" && isSame ? header(call, "range") : undefined, sizeBytes);
  if (wanted.kind === "unsatisfiable")
    throw refuse("RANGE_INVALID", { headers: { "Content-Range": `bytes */${sizeBytes}` } });
  if (call.method === "HEAD") return reply.head(200, { ...headers, "Content-Length": String(sizeBytes) });
  if (wanted.kind === "whole")
    return reply.stream(
      200,
      { ...headers, "Content-Length": String(sizeBytes) },
      content.open(digest, { verify: false }),
    );
  const [first] = wanted.parts;
  if (wanted.parts.length === 1 && first !== undefined)
    return reply.stream(
      206,
      {
        ...headers,
        "Content-Length": String(first.end - first.start + 1),
        "Content-Range": contentRange(first, sizeBytes),
      },
      partOf(content, digest, first),
    );
  const heads = wanted.parts.map((part, i) => partHead(part, sizeBytes, i === 0));
  const length = wanted.parts.reduce((sum, { start, end }) => sum + end - start + 1, 0);
  const tail = `\r\n--${BOUNDARY}--\r\n`;
  return reply.stream(
    206,
    {
      ...headers,
      "Content-Type": `multipart/byteranges; boundary=${BOUNDARY}`,
      "Content-Length": String(length + heads.join("").length + tail.length),
    },
    multipart(content, digest, { parts: wanted.parts, heads, tail }),
  );
}

function headersOf(digest: string): Headers {
  return {
    "Content-Type": OCTETS,
    "Docker-Content-Digest": digest,
    ETag: `"${digest}"`,
    "Accept-Ranges": "bytes",
    // A digest never means anything else; but whether somebody may have it can change.
    "Cache-Control": "private, max-age=31536000",
  };
}

export function matchesEtag(condition: string | undefined, etag: string): boolean {
  if (condition === undefined) return false;
  return condition
    .slice(0, 4096)
    .split(",")
    .some((entry) => entry.trim().replace(/^W\//, "") === etag || entry.trim() === etag.replaceAll('"', ""));
}

function contentRange({ start, end }: Span, sizeBytes: number): string {
  return `bytes ${start}-${end}/${sizeBytes}`;
}

function partOf(content: Content, digest: string, { start, end }: Span): AsyncIterable<Uint8Array> {
  return content.open(digest, { verify: false, range: { offset: start, length: end - start + 1 } });
}

function partHead(part: Span, sizeBytes: number, isFirst: boolean): string {
  const range = contentRange(part, sizeBytes);
  return `${isFirst ? "" : "\r\n"}--${BOUNDARY}\r\nContent-Type: ${OCTETS}\r\nContent-Range: ${range}\r\n\r\n`;
}

async function* multipart(
  content: Content,
  digest: string,
  plan: { readonly parts: readonly Span[]; readonly heads: readonly string[]; readonly tail: string },
): AsyncGenerator<Uint8Array> {
  for (const [i, part] of plan.parts.entries()) {
    yield Buffer.from(plan.heads[i] ?? "");
    yield* partOf(content, digest, part);
  }
  yield Buffer.from(plan.tail);
}

export async function deleteBlob(
  { repositories }: BlobDeps,
  call: Call,
  repository: string,
  digest: string,
): Promise<void> {
  checkedDigest(digest);
  if (!repositories.unlinkBlob(repository, digest)) throw refuse("BLOB_UNKNOWN", { detail: { digest } });
  call.reply.empty(202);
}
