/** An honest registry in memory: manifests, blobs, uploads, mounts, tags; a script for `scripted()`. */
import { sha256Of } from "../../../specs/oci-image/digest.ts";
import { answer, errorBody, type Handler, type SeenRequest } from "./scripted-registry.ts";
import type { ServerResponse } from "node:http";

export class MemoryRegistry {
  /** "repository digest" */
  readonly blobs = new Map<string, Buffer>();
  /** "repository tag-or-digest" */
  readonly manifests = new Map<string, { readonly type: string; readonly bytes: Buffer }>();
  readonly uploads = new Map<string, Buffer>();

  readonly handle: Handler = (request, response) => {
    const [, repository = "", kind = "", rest = ""] =
      /^\/v2\/(.+?)\/(manifests|blobs|tags|referrers)\/(.+)?$/.exec(request.path) ?? [];
    if (kind === "manifests") this.#manifest(repository, rest, request, response);
    else if (kind === "blobs" && rest.startsWith("uploads/"))
      this.#upload(repository, rest.slice("uploads/".length), request, response);
    else if (kind === "blobs") this.#blob(repository, rest, request, response);
    else if (kind === "tags") {
      const names = [...this.manifests.keys()].filter((key) => key.startsWith(`${repository} `));
      const tags = names.map((key) => key.slice(repository.length + 1)).filter((tag) => !tag.includes(":"));
      answer(response, 200, {}, JSON.stringify({ name: repository, tags }));
    } else answer(response, 404, {}, "404 page not found\n");
  };

  addBlob(repository: string, bytes: Uint8Array): { readonly digest: string; readonly sizeBytes: number } {
    const digest = sha256Of(bytes);
    this.blobs.set(`${repository} ${digest}`, Buffer.from(bytes));
    return { digest, sizeBytes: bytes.length };
  }

  addManifest(repository: string, tag: string, type: string, bytes: Uint8Array): string {
    const digest = sha256Of(bytes);
    for (const name of [tag, digest])
      this.manifests.set(`${repository} ${name}`, { type, bytes: Buffer.from(bytes) });
    return digest;
  }

  #manifest(repository: string, target: string, request: SeenRequest, response: ServerResponse): void {
    if (request.method === "PUT") {
      const type = request.headers["content-type"] ?? "";
      const digest = this.addManifest(repository, target, type, request.body);
      answer(response, 201, { "Docker-Content-Digest": digest });
      return;
    }
    const found = this.manifests.get(`${repository} ${target}`);
    if (found === undefined)
      answer(
        response,
        404,
        {},
        request.method === "HEAD" ? "" : errorBody("MANIFEST_UNKNOWN", "manifest unknown"),
      );
    else if (request.method === "DELETE") {
      this.manifests.delete(`${repository} ${target}`);
      answer(response, 202);
    } else
      answer(
        response,
        200,
        {
          "Content-Type": found.type,
          "Docker-Content-Digest": sha256Of(found.bytes),
          "Content-Length": found.bytes.length,
        },
        request.method === "HEAD" ? "" : found.bytes,
      );
  }

  #blob(repository: string, digest: string, request: SeenRequest, response: ServerResponse): void {
    const bytes = this.blobs.get(`${repository} ${digest}`);
    if (bytes === undefined) {
      answer(response, 404, {}, request.method === "HEAD" ? "" : errorBody("BLOB_UNKNOWN", "blob unknown"));
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? "0");
    const part = bytes.subarray(from);
    const headers = { "Content-Range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
    answer(
      response,
      from === 0 ? 200 : 206,
      from === 0 ? { "Content-Length": bytes.length } : headers,
      request.method === "HEAD" ? "" : part,
    );
  }

  #upload(repository: string, id: string, request: SeenRequest, response: ServerResponse): void {
    const location = (name: string): { Location: string } => ({
      Location: `/v2/${repository}/blobs/uploads/${name}?state=kept`,
    });
    if (request.method === "POST") {
      const from = request.query.get("from");
      const digest = request.query.get("mount") ?? "";
      const source = this.blobs.get(`${from} ${digest}`);
      if (source !== undefined) {
        this.blobs.set(`${repository} ${digest}`, source);
        answer(response, 201, { "Docker-Content-Digest": digest });
        return;
      }
      const name = `upload-${this.uploads.size}`;
      this.uploads.set(name, Buffer.alloc(0));
      answer(response, 202, location(name));
      return;
    }
    const before = this.uploads.get(id);
    if (before === undefined || request.query.get("state") !== "kept") {
      answer(response, 404, {}, errorBody("BLOB_UPLOAD_UNKNOWN", "upload unknown"));
      return;
    }
    const after = Buffer.concat([before, request.body]);
    this.uploads.set(id, after);
    if (request.method === "GET")
      answer(response, 204, { ...location(id), Range: `0-${Math.max(0, before.length - 1)}` });
    else if (request.method === "PATCH")
      answer(response, 202, { ...location(id), Range: `0-${after.length - 1}` });
    else {
      const digest = request.query.get("digest") ?? "";
      if (sha256Of(after) !== digest)
        answer(response, 400, {}, errorBody("DIGEST_INVALID", "digest mismatch"));
      else {
        this.blobs.set(`${repository} ${digest}`, after);
        answer(response, 201, { "Docker-Content-Digest": digest });
      }
    }
  }
}
