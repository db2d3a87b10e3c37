/** From target and method to what is done: the table of the distribution specification ("Endpoints"). */
import { type BlobDeps, deleteBlob, getBlob } from "./blobs.ts";
import type { Call } from "./call.ts";
import { listCatalog, listReferrers, listTags } from "./listings.ts";
import { deleteManifest, getManifest, type ManifestDeps, putManifest } from "./manifests.ts";
import type { InRepository, Target } from "./target.ts";
import {
  deleteUpload,
  getUpload,
  patchUpload,
  postUpload,
  putUpload,
  unsupported,
  type UploadRequestDeps,
} from "./upload-requests.ts";

export type RouteDeps = BlobDeps & ManifestDeps & UploadRequestDeps;

type Verb = () => Promise<void>;
/** By method; HEAD is GET without the body. */
type Verbs = Readonly<Record<string, Verb>>;

export async function answer(
  deps: RouteDeps,
  call: Call,
  target: Exclude<Target, { kind: "token" }>,
): Promise<void> {
  const verbs = verbsOf(deps, call, target);
  const method = call.method === "HEAD" ? "GET" : call.method;
  const verb = Object.hasOwn(verbs, method) ? verbs[method] : undefined;
  if (verb === undefined) {
    const allowed = Object.keys(verbs).flatMap((name) => (name === "GET" ? ["GET", "HEAD"] : [name]));
    call.reply.add({ Allow: allowed.join(", ") });
    throw unsupported(call.method);
  }
  await verb();
}

function verbsOf(deps: RouteDeps, call: Call, target: Exclude<Target, { kind: "token" }>): Verbs {
  if (target.kind === "health" || target.kind === "version") return { GET: () => call.reply.json(200, {}) };
  if (target.kind === "catalog") return { GET: () => listCatalog(deps, call) };
  return repositoryVerbs(deps, call, target);
}

function repositoryVerbs(deps: RouteDeps, call: Call, target: InRepository): Verbs {
  const { repository } = target;
  switch (target.kind) {
    case "tags":
      return { GET: () => listTags(deps, call, repository) };
    case "referrers":
      return { GET: () => listReferrers(deps, call, repository, target.digest) };
    case "manifest":
      return {
        GET: () => getManifest(deps, call, repository, target.reference),
        PUT: () => putManifest(deps, call, repository, target.reference),
        DELETE: () => deleteManifest(deps, call, repository, target.reference),
      };
    case "blob":
      return {
        GET: () => getBlob(deps, call, repository, target.digest),
        DELETE: () => deleteBlob(deps, call, repository, target.digest),
      };
    case "uploads":
      return { POST: () => postUpload(deps, call, repository) };
    case "upload":
      return {
        GET: () => getUpload(deps, call, repository, target.id),
        PATCH: () => patchUpload(deps, call, repository, target.id),
        PUT: () => putUpload(deps, call, repository, target.id),
        DELETE: () => deleteUpload(deps, call, repository, target.id),
      };
    default:
      throw new Error(`no such target: ${JSON.stringify(target satisfies never)}`);
  }
}
