/**
 * Tokens: JSON web tokens signed with ES256, as Docker's token specification wants them. This registry only believes those
 * that it signed itself, so there is one key, one algorithm, and nothing in a token's head that could choose another.
 */
import { createHash, createPublicKey, type KeyObject, randomUUID, sign, verify } from "node:crypto";
import { asString, Fields, parseJson } from "../../specs/engine/fields.decode.ts";
import type { Grant } from "./scope.ts";

export interface TokenKey {
  /** EC, curve P-256. */
  readonly privateKey: KeyObject;
  /** Whom tokens are for: also the issuer, since both are here. */
  readonly service: string;
}

export interface IssuedToken {
  readonly token: string;
  readonly expiresInSeconds: number;
  readonly issuedAt: string;
}

export interface TokenClaims {
  readonly user: string | undefined;
  readonly grants: readonly Grant[];
}

const LIFETIME_SECONDS = 300;
const MAX_TOKEN = 16 << 10;
/** As IEEE P1363 spells it: r and s, nothing around. */
const ENCODING = "ieee-p1363";

export function issueToken(key: TokenKey, claims: TokenClaims, nowMs: number): IssuedToken {
  const now = Math.floor(nowMs / 1000);
  const head = { typ: "JWT", alg: "ES256", kid: keyId(key) };
  const body = {
    iss: key.service,
    sub: claims.user ?? "",
    aud: key.service,
    exp: now + LIFETIME_SECONDS,
    nbf: now - 10,
    iat: now,
    jti: randomUUID(),
    access: claims.grants,
  };
  const signed = `${encoded(head)}.${encoded(body)}`;
  const signature = sign("sha256", Buffer.from(signed), { key: key.privateKey, dsaEncoding: ENCODING });
  return {
    token: `${signed}.${signature.toString("base64url")}`,
    expiresInSeconds: LIFETIME_SECONDS,
    issuedAt: new Date(now * 1000).toISOString(),
  };
}

/** Undefined for whatever is not a token of this key, for this service, now. */
export function verifyToken(key: TokenKey, token: string, nowMs: number): TokenClaims | undefined {
  if (token.length > MAX_TOKEN) return undefined;
  const match = /^([\w-]+)\.([\w-]+)\.([\w-]{86})$/.exec(token);
  if (match === null) return undefined;
  const [, head = "", body = "", signature = ""] = match;
  const isOurs = verify(
    "sha256",
    Buffer.from(`${head}.${body}`),
    { key: createPublicKey(key.privateKey), dsaEncoding: ENCODING },
    Buffer.from(signature, "base64url"),
  );
  return isOurs ? claimsOf(key, body, nowMs / 1000) : undefined;
}

/** Of a body whose signature is ours. */
function claimsOf(key: TokenKey, body: string, now: number): TokenClaims | undefined {
  const fields = new Fields(parseJson(Buffer.from(body, "base64url").toString("utf8")), "token");
  if (fields.str("iss") !== key.service || fields.str("aud") !== key.service) return undefined;
  if (now >= fields.int("exp") || now < fields.int("nbf")) return undefined;
  const user = fields.str("sub");
  const grants = fields.list("access", (value, path): Grant => {
    const entry = new Fields(value, path);
    return {
      type: entry.str("type"),
      name: entry.str("name"),
      actions: entry.list("actions", asString) ?? [],
    };
  });
  return { user: user === "" ? undefined : user, grants: grants ?? [] };
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** Names the key for those who keep several. */
function keyId(key: TokenKey): string {
  const spki = createPublicKey(key.privateKey).export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki).digest("base64url").slice(0, 20);
}
