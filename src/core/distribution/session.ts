/**
 * Talking to one registry with one set of credentials: requests are authorized as the registry asks for it, redirects are
 * followed, answers of 400 and above become errors. Credentials leave for the registry's own origin and its token server only.
 */
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { Credentials } from "./distribution.ts";
import { errorOf } from "./documents.ts";
import { follow } from "./follow.ts";
import { isSameOrigin } from "./redirects.ts";
import { RegistryError } from "./registry-error.ts";
import type { Limits } from "./registry-options.ts";
import { mergeScopes } from "./scopes.ts";
import { basicAuthorization, now, type Token, type Tokens } from "./tokens.ts";
import type { Answer, StreamedBody, Transport } from "./transport.ts";

export interface SessionParts {
  readonly transport: Transport;
  readonly tokens: Tokens;
  readonly limits: Limits;
  /** What registries asked for last, by origin: saves each new session the first refusal. */
  readonly challenges: Map<string, Challenge>;
}

export interface SessionRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Made anew for each time it is sent. */
  readonly body?: () => Uint8Array | StreamedBody;
  readonly scopes: readonly string[];
  readonly signal: AbortSignal;
}

/** Not a registry's code: it asks for a password and we were given none. */
export const NO_CREDENTIALS = "NO_CREDENTIALS";

const MAX_CHALLENGES_KEPT = 1000;

interface Authorization {
  readonly header: string;
  /** The token in it, to say that it was refused. */
  readonly token: Token | undefined;
}

export class Session {
  readonly registry: URL;
  readonly limits: Limits;
  readonly #parts: SessionParts;
  readonly #credentials: Credentials | undefined;

  constructor(registry: URL, credentials: Credentials | undefined, parts: SessionParts) {
    this.registry = registry;
    this.limits = parts.limits;
    this.#parts = parts;
    this.#credentials = credentials;
  }

  /** An answer below 400. Throws RegistryError. */
  async send(request: SessionRequest): Promise<Answer> {
    const startedAtMs = now();
    let authorization = await this.#knownAuthorization(request);
    for (let refusals = 0; ; refusals++) {
      const answer = await this.#follow(request, authorization);
      if (answer.status < 400) return answer;
      // Only the registry itself may ask for credentials: its storage on another host may not. A token that was made for
      // this very request has not expired: the registry means what it says.
      const mayAuthorize =
        answer.status === 401 &&
        refusals < 2 &&
        isSameOrigin(answer.url, this.registry) &&
        (authorization?.token?.issuedAtMs ?? 0) < startedAtMs;
      const next = mayAuthorize ? await this.#authorize(request, answer, authorization) : undefined;
      if (next === undefined) throw await errorOf(answer, this.limits.documentMs);
      await answer.discard();
      authorization = next;
    }
  }

  async #knownAuthorization(request: SessionRequest): Promise<Authorization | undefined> {
    const registryToken = this.#credentials?.registryToken ?? "";
    if (registryToken !== "") return { header: `Bearer ${registryToken}`, token: undefined };
    const challenge = this.#parts.challenges.get(this.registry.origin);
    return challenge === undefined ? undefined : this.#answerTo(challenge, request, undefined);
  }

  /** Undefined when there is nothing (more) to offer. */
  async #authorize(
    request: SessionRequest,
    answer: Answer,
    before: Authorization | undefined,
  ): Promise<Authorization | undefined> {
    const challenges = parseChallenges(answer.header("www-authenticate"));
    const challenge =
      challenges.find(({ scheme }) => scheme === "bearer") ??
      challenges.find(({ scheme }) => scheme === "basic");
    if (challenge === undefined || (this.#credentials?.registryToken ?? "") !== "") return undefined;
    if (challenge.scheme === "basic" && before !== undefined) return undefined;
    const { challenges: kept } = this.#parts;
    if (kept.size >= MAX_CHALLENGES_KEPT) kept.clear();
    kept.set(this.registry.origin, withoutScope(challenge));
    const next = await this.#answerTo(challenge, request, before?.token?.value);
    if (next === undefined)
      throw new RegistryError("unauthorized", "no basic auth credentials", {
        status: 401,
        code: NO_CREDENTIALS,
      });
    return next;
  }

  async #answerTo(
    challenge: Challenge,
    request: SessionRequest,
    refused: string | undefined,
  ): Promise<Authorization | undefined> {
    const credentials = this.#credentials;
    if (challenge.scheme === "basic") {
      const header = basicAuthorization(credentials);
      return header === undefined ? undefined : { header, token: undefined };
    }
    const wish = {
      challenge,
      scopes: mergeScopes(request.scopes, challenge.parameters.get("scope")),
      credentials,
      registry: this.registry,
      isLogin: false,
    };
    const token = await this.#parts.tokens.get(wish, refused, request.signal);
    return { header: `Bearer ${token.value}`, token };
  }

  #follow(
    { method, url, headers, body, signal }: SessionRequest,
    authorization: Authorization | undefined,
  ): Promise<Answer> {
    return follow(this.#parts.transport, {
      method,
      url,
      headersFor: (to) => ({
        ...headers,
        ...(authorization !== undefined && isSameOrigin(to, this.registry)
          ? { Authorization: authorization.header }
          : {}),
      }),
      body,
      registry: this.registry,
      signal,
    });
  }
}

/** Its scope is this request's, the rest is the registry's. */
function withoutScope({ scheme, parameters }: Challenge): Challenge {
  return { scheme, parameters: new Map([...parameters].filter(([name]) => name !== "scope")) };
}
