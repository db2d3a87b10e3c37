/**
 * Bearer tokens from a registry's token server: GET with a name and password (Docker's token protocol), POST with an identity
 * token (its OAuth 2 form). Kept in memory until they expire, one request at a time for one token.
 */
import { createHash } from "node:crypto";
import { Fields, parseJson } from "../../specs/engine/fields.decode.ts";
import type { Challenge } from "./challenge.ts";
import type { Credentials } from "./distribution.ts";
import { errorOf, readDocument } from "./documents.ts";
import { badAnswer, RegistryError, shownUrl } from "./registry-error.ts";
import type { Limits } from "./registry-options.ts";
import type { Answer, Transport, WireRequest } from "./transport.ts";
import type { Trust } from "./trust.ts";

export interface Token {
  readonly value: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  /** A refresh token that came with it, "" = none. */
  readonly identityToken: string;
}

export interface TokenWish {
  readonly challenge: Challenge;
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  readonly registry: URL;
  /** Ask for a refresh token, too: at login. */
  readonly isLogin: boolean;
}

const MAX_TOKEN_BYTES = 256 << 10;
const MAX_KEPT = 1000;
/** A token that says nothing, or less, lives this long (as Docker); the end of its life is left to chance by none. */
const SHORTEST_MS = 60_000;
const LONGEST_MS = 24 * 3600_000;
const MARGIN_MS = 5_000;
const CLIENT_ID = "gantry";

export class Tokens {
  readonly #transport: Transport;
  readonly #trust: Trust;
  readonly #limits: Limits;
  readonly #kept = new Map<string, Token>();
  readonly #coming = new Map<string, Promise<Token>>();

  constructor(transport: Transport, trust: Trust, limits: Limits) {
    this.#transport = transport;
    this.#trust = trust;
    this.#limits = limits;
  }

  /** `refused` is a token for the same wish that the registry no longer takes. */
  async get(wish: TokenWish, refused: string | undefined, signal: AbortSignal): Promise<Token> {
    const key = keyOf(wish);
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.value !== refused && kept.expiresAtMs - MARGIN_MS > now()) return kept;
    const coming = this.#coming.get(key);
    if (coming !== undefined)
      // Whoever asked first may give up; that is no reason for those who joined.
      return coming.catch((error: unknown) => {
        signal.throwIfAborted();
        if (error instanceof RegistryError) throw error;
        return this.get(wish, refused, signal);
      });
    const fetching = this.#fetch(wish, signal);
    this.#coming.set(key, fetching);
    try {
      const token = await fetching;
      if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
      this.#kept.set(key, token);
      return token;
    } finally {
      this.#coming.delete(key);
    }
  }

  async #fetch(wish: TokenWish, signal: AbortSignal): Promise<Token> {
    const realm = await this.#realmOf(wish.challenge, wish.registry);
    const answer = await this.#ask(realm, wish, signal);
    if (answer.status >= 400) throw await errorOf(answer, this.#limits.documentMs);
    if (answer.status !== 200) {
      await answer.discard();
      throw badAnswer(`the token server "${shownUrl(realm)}" answered with status ${answer.status}`);
    }
    const bytes = await readDocument(answer, {
      maxBytes: MAX_TOKEN_BYTES,
      documentMs: this.#limits.documentMs,
      what: "the token server's answer",
    });
    return decodeToken(bytes, now());
  }

  #ask(
    realm: URL,
    { challenge, scopes, credentials, registry, isLogin }: TokenWish,
    signal: AbortSignal,
  ): Promise<Answer> {
    const service = challenge.parameters.get("service") ?? "";
    const send = (wire: Pick<WireRequest, "method" | "url" | "headers" | "body">): Promise<Answer> =>
      this.#transport.send({ ...wire, registry, signal });
    if (credentials !== undefined && credentials.identityToken !== "") {
      const form = new URLSearchParams({
        grant_type: "refresh_token",
        refresh_token: credentials.identityToken,
        service,
        client_id: CLIENT_ID,
        access_type: "offline",
      });
      if (scopes.length > 0) form.set("scope", scopes.join(" "));
      return send({
        method: "POST",
        url: realm,
        headers: { "Content-Type": "application/x-www-form-urlencoded" },
        body: Buffer.from(form.toString()),
      });
    }
    const url = new URL(realm);
    if (service !== "") url.searchParams.set("service", service);
    for (const scope of scopes) url.searchParams.append("scope", scope);
    const authorization = basicAuthorization(credentials);
    if (authorization === undefined) return send({ method: "GET", url, headers: {} });
    url.searchParams.set("account", credentials?.username ?? "");
    if (isLogin) {
      url.searchParams.set("offline_token", "true");
      url.searchParams.set("client_id", CLIENT_ID);
    }
    return send({ method: "GET", url, headers: { Authorization: authorization } });
  }

  /**
   * The token server. Any host over https may be one, as with Docker: Docker Hub's is not the registry. Over plain HTTP only
   * for a registry that itself is spoken to without protection, and then on the same host or another such: a password that
   * was meant for a protected registry never travels in the clear.
   */
  async #realmOf(challenge: Challenge, registry: URL): Promise<URL> {
    const text = challenge.parameters.get("realm") ?? "";
    let realm: URL;
    try {
      realm = new URL(text);
    } catch (cause) {
      throw badAnswer(`the registry "${registry.host}" names no token server`, cause);
    }
    if (realm.protocol !== "https:" && realm.protocol !== "http:")
      throw badAnswer(`refusing the token server of "${registry.host}": it is neither https nor http`);
    if (realm.username !== "" || realm.password !== "")
      throw badAnswer(`refusing the token server of "${registry.host}": its URL has a user in it`);
    if (realm.protocol === "http:" && !(await this.#trust.mayBePlain(realm, registry)))
      throw badAnswer(`refusing the token server of "${registry.host}": "${shownUrl(realm)}" is not https`);
    realm.hash = "";
    return realm;
  }
}

/** Undefined without a name or password. */
export function basicAuthorization(credentials: Credentials | undefined): string | undefined {
  if (credentials === undefined || credentials.username === "") return undefined;
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64")}`;
}

function keyOf({ challenge, scopes, credentials, registry, isLogin }: TokenWish): string {
  const { realm, service } = Object.fromEntries(challenge.parameters);
  const parts = [registry.origin, realm, service, scopes, credentials ?? null, isLogin];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

/** Finer than the clock's milliseconds: a token may be issued in the one in which the next request begins. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Exported for its test. Throws `invalid_argument`. */
export function decodeToken(bytes: Uint8Array, nowMs: number): Token {
  let fields: Fields;
  try {
    fields = new Fields(parseJson(new TextDecoder().decode(bytes)), "");
  } catch (cause) {
    throw badAnswer("unable to decode token response", cause);
  }
  const text = (key: string): string => {
    const value = fields.raw(key);
    return typeof value === "string" ? value : "";
  };
  const value = text("token") === "" ? text("access_token") : text("token");
  // It becomes a header.
  if (!/^[\x21-\x7e]+$/.test(value))
    throw badAnswer("authorization server did not include a token in the response");
  const seconds = fields.raw("expires_in");
  const lifeMs = typeof seconds === "number" && Number.isFinite(seconds) ? seconds * 1000 : 0;
  return {
    value,
    issuedAtMs: nowMs,
    expiresAtMs: nowMs + Math.min(Math.max(lifeMs, SHORTEST_MS), LONGEST_MS),
    identityToken: text("refresh_token"),
  };
}
