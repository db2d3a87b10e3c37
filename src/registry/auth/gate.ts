/**
 * Who is there, and whether they may: one question before every request. Three kinds of door: open, passwords on every
 * request (Basic), or tokens (Bearer) that `/auth/token` gives for a password.
 */
import { refuse } from "../refusal.ts";
import { type AccessRule, EVERYTHING, type Rights, rightsOf } from "./access.ts";
import type { Passwords } from "./htpasswd.ts";
import { allows, grantsFor, type Need, parseScopes, rightsOfGrants, scopeText } from "./scope.ts";
import { issueToken, type TokenKey, verifyToken } from "./token.ts";

export interface Caller {
  readonly authorization: string | undefined;
  /** Where the client thinks we are: "https://registry.example:5000". */
  readonly origin: string;
}

export interface Gate {
  /** Throws UNAUTHORIZED with a challenge, or DENIED. */
  admit(caller: Caller, need: Need): Promise<Rights>;
  /** A token for what of the scopes the caller may. Throws UNAUTHORIZED, or UNSUPPORTED where there are no tokens. */
  token(caller: Caller, query: URLSearchParams): Promise<TokenAnswer>;
}

/** As Docker's token specification draws it; clients read either name. */
export interface TokenAnswer {
  readonly token: string;
  readonly access_token: string;
  readonly expires_in: number;
  readonly issued_at: string;
}

export const OPEN_GATE: Gate = {
  admit: async () => EVERYTHING,
  token: () => Promise.reject(noTokens()),
};

function noTokens(): Error {
  return refuse("UNSUPPORTED", { status: 404, message: "this registry gives no tokens" });
}

export interface GateOptions {
  readonly passwords: Passwords;
  readonly rules: readonly AccessRule[];
  readonly realm: string;
}

/** Passwords on every request. */
export function basicGate({ passwords, rules, realm }: GateOptions): Gate {
  const challenge = { "WWW-Authenticate": `Basic realm="${realm}"` };
  return {
    admit: async ({ authorization }, need) => {
      if (need.kind === "anybody") return rightsOf(rules, undefined);
      const user = await userOf(passwords, authorization, challenge);
      const rights = rightsOf(rules, user);
      if (allows(rights, need)) return rights;
      throw user === undefined ? unauthorized(challenge, need) : refuse("DENIED", { detail: detailOf(need) });
    },
    token: () => Promise.reject(noTokens()),
  };
}

export interface TokenGateOptions extends GateOptions {
  readonly key: TokenKey;
  /** The address of `/auth/token` as clients reach it; "" = at the place they called. */
  readonly tokenUrl: string;
  readonly now: () => number;
}

/** Tokens. Anonymous ones, too: what they allow is up to the rules. */
export function tokenGate(options: TokenGateOptions): Gate {
  const { passwords, rules, key, now } = options;
  const challenge = (caller: Caller, need: Need, error: string): Readonly<Record<string, string>> => {
    const url = options.tokenUrl === "" ? `${caller.origin}/auth/token` : options.tokenUrl;
    const scope = scopeText(need);
    return {
      "WWW-Authenticate":
        `Bearer realm="${url}",service="${key.service}"` +
        (scope === "" ? "" : `,scope="${scope}"`) +
        (error === "" ? "" : `,error="${error}"`),
    };
  };
  return {
    admit: async (caller, need) => {
      if (need.kind === "anybody") return EVERYTHING;
      const bearer = /^bearer +(\S+)$/i.exec(caller.authorization ?? "")?.[1];
      if (bearer === undefined) throw unauthorized(challenge(caller, need, ""), need);
      const claims = verifyToken(key, bearer, now());
      if (claims === undefined) throw unauthorized(challenge(caller, need, "invalid_token"), need);
      const rights = rightsOfGrants(claims.user, claims.grants);
      // Whoever has a token has been here: that is all that "/v2/" asks.
      if (need.kind === "somebody" || allows(rights, need)) return rights;
      throw unauthorized(challenge(caller, need, "insufficient_scope"), need);
    },
    token: async ({ authorization }, query) => {
      const service = query.get("service") ?? "";
      if (service !== "" && service !== key.service)
        throw refuse("UNSUPPORTED", { status: 400, message: "tokens for that service are not given here" });
      const basic = { "WWW-Authenticate": `Basic realm="${options.realm}"` };
      const user = await userOf(passwords, authorization, basic);
      const grants = grantsFor(parseScopes(query.getAll("scope")), rightsOf(rules, user));
      const { token, expiresInSeconds, issuedAt } = issueToken(key, { user, grants }, now());
      return { token, access_token: token, expires_in: expiresInSeconds, issued_at: issuedAt };
    },
  };
}

/** Undefined: no password was given. A wrong one is never taken for none. */
async function userOf(
  passwords: Passwords,
  authorization: string | undefined,
  challenge: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  if (authorization === undefined) return undefined;
  const text = /^basic +([A-Za-z0-9+/=_-]+)$/i.exec(authorization)?.[1];
  const pair = text === undefined ? "" : Buffer.from(text, "base64").toString("utf8");
  const colon = pair.indexOf(":");
  const user = pair.slice(0, Math.max(0, colon));
  if (user !== "" && (await passwords.verify(user, pair.slice(colon + 1)))) return user;
  throw refuse("UNAUTHORIZED", { headers: challenge });
}

function unauthorized(headers: Readonly<Record<string, string>>, need: Need): Error {
  return refuse("UNAUTHORIZED", { headers, detail: detailOf(need) });
}

/** docker-registry's form. */
function detailOf(need: Need): unknown {
  if (need.kind === "catalog") return [{ Type: "registry", Class: "", Name: "catalog", Action: "*" }];
  if (need.kind !== "repository") return undefined;
  return need.actions.map((action) => ({
    Type: "repository",
    Class: "",
    Name: need.repository,
    Action: action,
  }));
}
