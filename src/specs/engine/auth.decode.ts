/** X-Registry-Auth: what a client knows of a registry, as base64url JSON. */
import { asString, Fields, parseJson } from "./fields.decode.ts";

export interface RegistryAuth {
  readonly username: string;
  readonly password: string;
  readonly identityToken: string;
  readonly registryToken: string;
}

const MAX_BYTES = 64 << 10;

/** undefined for none, and for what cannot be read: Docker's engine then goes on without, as old clients count on. */
export function decodeRegistryAuth(header: string): RegistryAuth | undefined {
  if (header === "" || header.length > MAX_BYTES) return undefined;
  try {
    const fields = new Fields(parseJson(Buffer.from(header, "base64url").toString("utf8")), "");
    const basic = credentialsOf(fields);
    const auth = {
      ...basic,
      identityToken: fields.str("identitytoken"),
      registryToken: fields.str("registrytoken"),
    };
    return Object.values(auth).some((text) => text !== "") ? auth : undefined;
  } catch {
    return undefined;
  }
}

/** Beside user and password there is "auth", both in one, which some clients send alone. */
function credentialsOf(fields: Fields): { readonly username: string; readonly password: string } {
  const username = fields.str("username");
  const password = fields.str("password");
  const joined = fields.has("auth") ? asString(fields.raw("auth"), "auth") : "";
  if (username !== "" || joined === "") return { username, password };
  const text = Buffer.from(joined, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon <= 0) return { username, password };
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
