/** POST /auth: whether a registry takes credentials. */
import { fail } from "../../base/errors.ts";
import type { Registries } from "../../core/distribution/distribution.ts";
import type { LoginRequest } from "../../specs/engine/login.ts";

export interface LogInDeps {
  readonly registries: Pick<Registries, "checkLogin">;
}

export interface LogInAnswer {
  readonly Status: string;
  readonly IdentityToken: string;
}

export async function logIn(
  { registries }: LogInDeps,
  request: LoginRequest,
  signal: AbortSignal,
): Promise<LogInAnswer> {
  const { serverAddress, username, password, identityToken } = request;
  if (username === "" && identityToken === "") throw fail("invalid_argument", "no user name was given");
  const credentials = { username, password, identityToken, registryToken: "" };
  const result = await registries.checkLogin(serverAddress, credentials, signal);
  return { Status: result.status, IdentityToken: result.identityToken };
}
