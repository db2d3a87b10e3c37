/** The body of POST /auth. */
import { Fields } from "./fields.decode.ts";

export interface LoginRequest {
  readonly username: string;
  readonly password: string;
  readonly identityToken: string;
  /** A host or URL, "" = Docker Hub. */
  readonly serverAddress: string;
}

export function decodeLogin(value: unknown): LoginRequest {
  const fields = new Fields(value, "");
  return {
    username: fields.str("username"),
    password: fields.str("password"),
    identityToken: fields.str("identitytoken"),
    serverAddress: fields.str("serveraddress"),
  };
}
