/** Whether a registry takes credentials: Docker's "docker login". */
import { fail } from "../../base/errors.ts";
import { parseChallenges } from "./challenge.ts";
import type { Credentials, LoginResult } from "./distribution.ts";
import { HUB_DOMAIN, hostOfDomain } from "./endpoints.ts";
import { RegistryError, shownUrl } from "./registry-error.ts";
import { isHost } from "./registry-options.ts";
import { mergeScopes } from "./scopes.ts";
import type { SessionParts } from "./session.ts";
import { basicAuthorization } from "./tokens.ts";

const SUCCEEDED = "Login Succeeded";

/** The host in what a user calls a server: a host, or a URL of one. "" and Docker Hub's old address are Docker Hub. */
export function hostOfServer(server: string): string {
  const host = server.replace(/^https?:\/\//i, "").replace(/\/.*$/s, "");
  if (host === "" || host === HUB_DOMAIN || host === "index.docker.io") return hostOfDomain(HUB_DOMAIN);
  if (!isHost(host)) throw fail("invalid_argument", `invalid registry host "${host.slice(0, 300)}"`);
  return host;
}

/** `registry` is the origin that answers for it. */
export async function logIn(
  registry: URL,
  credentials: Credentials,
  parts: SessionParts,
  signal: AbortSignal,
): Promise<LoginResult> {
  const url = new URL("/v2/", registry);
  const ask = async (
    headers: Readonly<Record<string, string>>,
  ): Promise<[number, string, string | undefined]> => {
    const answer = await parts.transport.send({ method: "GET", url, headers, registry, signal });
    await answer.discard();
    return [answer.status, answer.statusText, answer.header("www-authenticate")];
  };
  const [status, statusText, header] = await ask({});
  if (status === 200) return { status: SUCCEEDED, identityToken: "" };
  if (status !== 401) throw refused(url, status, statusText);
  const challenges = parseChallenges(header);
  const bearer = challenges.find(({ scheme }) => scheme === "bearer");
  if (bearer === undefined) {
    const authorization = basicAuthorization(credentials);
    if (authorization === undefined || !challenges.some(({ scheme }) => scheme === "basic"))
      throw refused(url, status, statusText);
    const [final, text] = await ask({ Authorization: authorization });
    if (final !== 200) throw refused(url, final, text);
    return { status: SUCCEEDED, identityToken: "" };
  }
  const wish = {
    challenge: bearer,
    scopes: mergeScopes([], bearer.parameters.get("scope")),
    credentials,
    registry,
    isLogin: true,
  };
  const token = await parts.tokens.get(wish, undefined, signal).catch((error: unknown) => {
    throw error instanceof RegistryError && error.status !== 0 ? prefixed(url, error) : error;
  });
  const [final, text] = await ask({ Authorization: `Bearer ${token.value}` });
  if (final !== 200) throw refused(url, final, text);
  return { status: SUCCEEDED, identityToken: token.identityToken };
}

function prefixed(url: URL, error: RegistryError): RegistryError {
  return new RegistryError(error.category, `Get "${shownUrl(url)}": ${error.message}`, {
    status: error.status,
  });
}

function refused(url: URL, status: number, statusText: string): RegistryError {
  const category = status === 401 ? "unauthorized" : status === 403 ? "forbidden" : "unavailable";
  return new RegistryError(
    category,
    `login attempt to ${shownUrl(url)} failed with status: ${status} ${statusText}`.trimEnd(),
    { status },
  );
}
