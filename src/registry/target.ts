/** What a request is about: its path, decoded once and held against the grammar. Pure. */
import { isRepositoryName, type ManifestReference, parseManifestReference } from "./names.ts";

export type Target =
  | { readonly kind: "health" }
  | { readonly kind: "token" }
  | { readonly kind: "version" }
  | { readonly kind: "catalog" }
  | InRepository;

/** `digest` and `id` are as the client wrote them: whoever uses them checks them. */
export type InRepository = { readonly repository: string } & (
  | { readonly kind: "tags" }
  | { readonly kind: "manifest"; readonly reference: ManifestReference }
  | { readonly kind: "blob"; readonly digest: string }
  | { readonly kind: "uploads" }
  | { readonly kind: "upload"; readonly id: string }
  | { readonly kind: "referrers"; readonly digest: string }
);

/** `unknown`: no such page. `invalid name`: there would be one if the repository's name could be one. */
export type ParsedTarget =
  | { readonly kind: "target"; readonly target: Target }
  | { readonly kind: "unknown" }
  | { readonly kind: "invalid name"; readonly name: string };

export function parseTarget(path: string): ParsedTarget {
  if (path === "/healthz") return found({ kind: "health" });
  if (path === "/auth/token") return found({ kind: "token" });
  if (path === "/v2/" || path === "/v2") return found({ kind: "version" });
  if (path === "/v2/_catalog") return found({ kind: "catalog" });
  if (!path.startsWith("/v2/")) return UNKNOWN;
  let segments = path.slice("/v2/".length).split("/");
  if (path.includes("%")) {
    try {
      segments = segments.map(decodeURIComponent);
    } catch {
      return UNKNOWN;
    }
    // A slash or NUL that was hidden from the split belongs to nothing that the grammar knows.
    if (segments.some((segment) => /[/\0]/.test(segment))) return UNKNOWN;
  }
  return inRepository(segments);
}

const UNKNOWN: ParsedTarget = { kind: "unknown" };

function found(target: Target): ParsedTarget {
  return { kind: "target", target };
}

/** From the end, since a repository may be called "blobs/uploads", too. */
function inRepository(segments: readonly string[]): ParsedTarget {
  const last = segments.at(-1) ?? "";
  const before = segments.at(-2);
  const twoBefore = segments.at(-3);
  const named = (parts: number, make: (repository: string) => Target): ParsedTarget => {
    const name = segments.slice(0, -parts).join("/");
    return isRepositoryName(name) ? found(make(name)) : { kind: "invalid name", name: name.slice(0, 300) };
  };
  if (before === "tags" && last === "list") return named(2, (repository) => ({ kind: "tags", repository }));
  if (before === "manifests")
    return named(2, (repository) => ({
      kind: "manifest",
      repository,
      reference: parseManifestReference(last),
    }));
  if (before === "referrers")
    return named(2, (repository) => ({ kind: "referrers", repository, digest: last }));
  if (twoBefore === "blobs" && before === "uploads")
    return last === ""
      ? named(3, (repository) => ({ kind: "uploads", repository }))
      : named(3, (repository) => ({ kind: "upload", repository, id: last }));
  if (before === "blobs")
    return last === "uploads"
      ? named(2, (repository) => ({ kind: "uploads", repository }))
      : named(2, (repository) => ({ kind: "blob", repository, digest: last }));
  return UNKNOWN;
}
