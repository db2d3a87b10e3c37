/**
 * Blobs that lie where their descriptors say and not in the registry: layers whose licence keeps them at their maker's. A
 * manifest names these places, so they are the registry's word at best: nobody's credentials go there, and it may not send
 * us to this machine.
 */
import { errorOf } from "./documents.ts";
import { follow } from "./follow.ts";
import { badAnswer, RegistryError, shownUrl } from "./registry-error.ts";
import type { SessionParts } from "./session.ts";
import type { Answer } from "./transport.ts";
import type { Trust } from "./trust.ts";

export interface ForeignParts extends Pick<SessionParts, "transport" | "limits"> {
  readonly trust: Trust;
  readonly registry: URL;
}

/** An answer below 400 from one of a blob's own URLs, after redirects. Throws RegistryError. */
export async function askForeign(
  parts: ForeignParts,
  text: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Answer> {
  const { registry, transport, limits } = parts;
  const url = await foreignUrl(parts, text);
  const request = { method: "GET", url, registry, signal, headersFor: () => headers };
  const answer = await follow(transport, request);
  if (answer.status < 400) return answer;
  const { category, message, status, mayRetry, retryAfterMs } = await errorOf(answer, limits.documentMs);
  throw new RegistryError(category, `"${shownUrl(answer.url)}": ${message}`, {
    status,
    mayRetry,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** Over plain HTTP only where the registry could be spoken to in the clear, too, as with token servers. */
async function foreignUrl({ trust, registry }: ForeignParts, text: string): Promise<URL> {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:"))
    throw badAnswer("refusing a layer's URL: it is neither https nor http");
  if (url.username !== "" || url.password !== "")
    throw badAnswer("refusing a layer's URL: it has a user in it");
  if (url.protocol === "http:" && !(await trust.mayBePlain(url, registry)))
    throw badAnswer(`refusing a layer's URL: "${shownUrl(url)}" is not https`);
  url.hash = "";
  return url;
}
