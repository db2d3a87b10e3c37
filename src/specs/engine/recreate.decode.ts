/** Decoder of the body of POST /containers/{id}/recreate. */
import { fail } from "../../base/errors.ts";
import { asMap, asString, emptyMap, Fields } from "./fields.decode.ts";
import type { RecreateRequest } from "./recreate.ts";

const KNOWN = ["Image", "Env", "EnvRemove", "Labels"];

/**
 * No other engine knows it, so a field that is none of its own is a mistake, and not somebody else's. `undefined` = no body:
 * nothing is to be different. Throws `invalid_argument`.
 */
export function decodeRecreate(body: unknown): RecreateRequest {
  for (const key of Object.keys(asMap(body ?? {}, "(document)", () => null)))
    if (!KNOWN.some((known) => known.toLowerCase() === key.toLowerCase()))
      throw fail("invalid_argument", `unknown field "${key.slice(0, 100)}": there are ${KNOWN.join(", ")}`);
  const fields = new Fields(body ?? {}, "");
  return {
    Image: fields.str("Image"),
    Env: fields.list("Env", asVariable) ?? [],
    EnvRemove: fields.list("EnvRemove", asName) ?? [],
    Labels: fields.stringMap("Labels") ?? emptyMap(),
  };
}

function asVariable(value: unknown, path: string): string {
  const text = asString(value, path);
  if (text.indexOf("=") < 1) throw fail("invalid_argument", `field "${path}" must be like NAME=value`);
  return text;
}

function asName(value: unknown, path: string): string {
  const text = asString(value, path);
  if (text === "" || text.includes("="))
    throw fail("invalid_argument", `field "${path}" must be a variable's name`);
  return text;
}
