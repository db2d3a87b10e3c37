/** Errors as Docker says them about an image: the registry's text with the name that the user gave. Pure. */
import { familiarReference, type Reference, withDefaultTag } from "../../specs/oci-image/reference.ts";
import type { Access } from "./distribution.ts";
import { RegistryError } from "./registry-error.ts";

export function namedError(error: unknown, reference: Reference, access: Access): unknown {
  if (!(error instanceof RegistryError) || access === "push") return error;
  const name = familiarReference({ ...reference, tag: undefined, digest: undefined });
  const full = familiarReference(withDefaultTag(reference));
  switch (error.code) {
    case "DENIED":
      return renamed(
        error,
        `pull access denied for ${name}, repository does not exist or may require 'docker login': ${error.message}`,
      );
    case "MANIFEST_UNKNOWN":
      return renamed(error, `manifest for ${full} not found: ${error.message}`);
    case "NAME_UNKNOWN":
      return renamed(error, `repository ${name} not found: ${error.message}`);
    default:
      return error;
  }
}

/** All three are "there is no such thing" to a client, as with Docker. */
function renamed(error: RegistryError, message: string): RegistryError {
  return new RegistryError("not_found", message, { code: error.code, status: error.status, cause: error });
}
