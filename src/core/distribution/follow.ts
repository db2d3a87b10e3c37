/** One request and where its answers send it on to. */
import { MAX_REDIRECTS, redirectTarget } from "./redirects.ts";
import { badAnswer, shownUrl } from "./registry-error.ts";
import type { Answer, Transport, WireRequest } from "./transport.ts";

export interface FollowedRequest extends Omit<WireRequest, "headers" | "body"> {
  /** Of each URL that it comes to. */
  readonly headersFor: (url: URL) => Readonly<Record<string, string>>;
  /** Made anew for each time it is sent. */
  readonly body?: (() => NonNullable<WireRequest["body"]>) | undefined;
}

/** The first answer that is no redirect, whatever its status. */
export async function follow(transport: Transport, request: FollowedRequest): Promise<Answer> {
  const { method, registry, signal, body } = request;
  const seen = new Set<string>();
  for (let url = request.url; ; ) {
    const answer = await transport.send({
      method,
      url,
      headers: request.headersFor(url),
      ...(body === undefined ? {} : { body: body() }),
      registry,
      signal,
    });
    const next = redirectTarget(url, answer.status, answer.header("location"));
    if (next === undefined) return answer;
    await answer.discard();
    if (method !== "GET" && method !== "HEAD")
      throw badAnswer(`refusing to repeat ${method} "${shownUrl(url)}" elsewhere`);
    seen.add(url.href);
    if (seen.has(next.href) || seen.size > MAX_REDIRECTS)
      throw badAnswer(`"${shownUrl(request.url)}": stopped after ${seen.size} redirects`);
    url = next;
  }
}
