import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { rejection } from "../../base/testing/rejection.ts";
import {
  client,
  clientOptions,
  MANIFEST_TYPE,
  manifestBytes,
  never,
  repositoryAt,
  USER,
} from "./testing/client.ts";
import { MemoryRegistry } from "./testing/memory-registry.ts";
import { answer, collect, errorBody, type Handler, type Scripted } from "./testing/scripted-registry.ts";
import { openServers } from "./testing/open-servers.ts";

const { serve } = openServers();

async function* inPieces(bytes: Uint8Array, from: number): AsyncGenerator<Uint8Array> {
  for (let at = from; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
}

test("resolve() asks with HEAD and manifest() gets those bytes", async () => {
  const registry = new MemoryRegistry();
  const digest = registry.addManifest("team/app", "v1", MANIFEST_TYPE, manifestBytes());
  const server = await serve(registry.handle);
  const repository = repositoryAt(server.host);
  const descriptor = await repository.resolve(never);
  expect(descriptor).toMatchObject({ mediaType: MANIFEST_TYPE, digest, sizeBytes: manifestBytes().length });
  expect(manifestBytes().equals((await repository.manifest(descriptor, never)).bytes)).toBe(true);
  expect(server.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
    "HEAD /v2/team/app/manifests/v1",
    `GET /v2/team/app/manifests/${digest}`,
  ]);
  expect(server.seen[0]?.headers["accept-encoding"]).toBe("identity");
  expect(server.seen[0]?.headers["accept"]).toContain(
    "application/vnd.docker.distribution.manifest.list.v2+json",
  );
});

test("resolve() fetches the document of a registry that says no digest, once", async () => {
  const server = await serve((request, response) =>
    answer(
      response,
      200,
      { "Content-Type": MANIFEST_TYPE },
      request.method === "HEAD" ? "" : manifestBytes(),
    ),
  );
  const repository = repositoryAt(server.host);
  const descriptor = await repository.resolve(never);
  await repository.manifest(descriptor, never);
  expect(server.seen.map(({ method }) => method)).toEqual(["HEAD", "GET"]);
});

test("a blob comes whole, and from an offset", async () => {
  const registry = new MemoryRegistry();
  const bytes = randomBytes(3_000_000);
  const blob = registry.addBlob("team/app", bytes);
  const server = await serve(registry.handle);
  const repository = repositoryAt(server.host);
  expect(await collect(repository.blob(blob, { offset: 0, signal: never }))).toEqual(bytes);
  expect(await collect(repository.blob(blob, { offset: 2_999_990, signal: never }))).toEqual(
    bytes.subarray(2_999_990),
  );
  expect(server.seen.at(-1)?.headers.range).toBe("bytes=2999990-");
});

test("a whole pull needs one connection", async () => {
  const registry = new MemoryRegistry();
  registry.addManifest("team/app", "v1", MANIFEST_TYPE, manifestBytes());
  const blob = registry.addBlob("team/app", randomBytes(100_000));
  const server = await serve(registry.handle);
  const repository = repositoryAt(server.host);
  const descriptor = await repository.resolve(never);
  const before = server.connections();
  await repository.manifest(descriptor, never);
  await collect(repository.blob(blob, { offset: 0, signal: never }));
  expect(server.connections()).toBe(before);
});

test("pushBlob() uploads what is not there, skips what is, mounts what another repository has", async () => {
  const registry = new MemoryRegistry();
  const server = await serve(registry.handle);
  const bytes = randomBytes(1_000_000);
  const known = registry.addBlob("other/app", bytes);
  const fresh = randomBytes(500_000);
  const repository = repositoryAt(server.host, { access: "push" });
  const progress: number[] = [];
  const options = {
    signal: never,
    mountFrom: ["other/app"],
    onProgress: (sent: number) => progress.push(sent),
  };
  const push = (blob: Uint8Array): ReturnType<typeof repository.pushBlob> =>
    repository.pushBlob(
      { digest: registry.addBlob("somewhere", blob).digest, sizeBytes: blob.length },
      (offset) => inPieces(blob, offset),
      options,
    );
  expect(await push(bytes)).toEqual({ kind: "mounted", from: "other/app" });
  expect(registry.blobs.get(`team/app ${known.digest}`)).toEqual(bytes);
  expect(await push(fresh)).toEqual({ kind: "uploaded" });
  expect(progress.at(-1)).toBe(500_000);
  expect(await push(fresh)).toEqual({ kind: "exists" });
  expect(await push(new Uint8Array())).toEqual({ kind: "uploaded" });
});

test("an upload that breaks off goes on where the registry stands", async () => {
  const registry = new MemoryRegistry();
  let breaks = 1;
  const bytes = randomBytes(1_000_000);
  const server = await serve((request, response) => {
    if (request.method === "PATCH" && breaks-- > 0) {
      // As if the connection had broken after 400,000 bytes.
      registry.uploads.set("upload-0", request.body.subarray(0, 400_000));
      response.destroy();
      return undefined;
    }
    return registry.handle(request, response);
  });
  const offsets: number[] = [];
  const blob = { digest: new MemoryRegistry().addBlob("x", bytes).digest, sizeBytes: bytes.length };
  const source = (offset: number): AsyncIterable<Uint8Array> => {
    offsets.push(offset);
    return inPieces(bytes, offset);
  };
  const repository = repositoryAt(server.host, { access: "push" });
  await repository.pushBlob(blob, source, { signal: never, mountFrom: [], onProgress: () => {} });
  expect(offsets).toEqual([0, 400_000]);
  expect(registry.blobs.get(`team/app ${blob.digest}`)).toEqual(bytes);
  expect(server.seen.findLast(({ method }) => method === "PATCH")?.headers["content-range"]).toBe(
    "400000-999999",
  );
});

test("a source that brings too little is no upload", async () => {
  const registry = new MemoryRegistry();
  const server = await serve(registry.handle);
  const repository = repositoryAt(server.host, { access: "push" });
  const blob = { digest: `sha256:${"b".repeat(64)}`, sizeBytes: 10 };
  const push = repository.pushBlob(blob, () => inPieces(Buffer.from("short"), 0), {
    signal: never,
    mountFrom: [],
    onProgress: () => {},
  });
  expect((await rejection(push)).message).toBe("the blob to upload is shorter than it should be");
  expect(registry.blobs.size).toBe(0);
});

test("manifests are pushed by tag and by digest, listed and deleted", async () => {
  const registry = new MemoryRegistry();
  const server = await serve(registry.handle);
  const repository = repositoryAt(server.host, { access: "push" });
  const digest = await repository.pushManifest({ tag: "v2" }, MANIFEST_TYPE, manifestBytes(), never);
  expect(await repository.pushManifest("digest", MANIFEST_TYPE, manifestBytes(), never)).toBe(digest);
  expect(await repository.tags(never)).toEqual(["v2"]);
  await repository.deleteManifest({ tag: "v2" }, never);
  expect(await repository.tags(never)).toEqual([]);
});

test("tags go over pages", async () => {
  const server = await serve((request, response) => {
    const isFirst = !request.query.has("last");
    const headers = isFirst ? { Link: '</v2/team/app/tags/list?last=b&n=2>; rel="next"' } : {};
    answer(response, 200, headers, JSON.stringify({ tags: isFirst ? ["a", "b"] : ["c"] }));
  });
  expect(await repositoryAt(server.host).tags(never)).toEqual(["a", "b", "c"]);
});

test("referrers come from the endpoint, or from the tag of registries without it", async () => {
  const registry = new MemoryRegistry();
  const subject = `sha256:${"c".repeat(64)}`;
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: [{ mediaType: MANIFEST_TYPE, digest: subject, size: 7 }],
    }),
  );
  const server = await serve(registry.handle);
  expect(await repositoryAt(server.host).referrers(subject, never)).toEqual([]);
  registry.addManifest(
    "team/app",
    `sha256-${"c".repeat(64)}`,
    "application/vnd.oci.image.index.v1+json",
    index,
  );
  expect(await repositoryAt(server.host).referrers(subject, never)).toMatchObject([{ digest: subject }]);
});

test.each([
  [401, "", "", "unauthorized", "unauthorized: authentication required"],
  [
    404,
    "MANIFEST_UNKNOWN",
    "manifest unknown",
    "not_found",
    "manifest for HOST/team/app:v1 not found: manifest unknown: manifest unknown",
  ],
  [
    404,
    "NAME_UNKNOWN",
    "repository name not known to registry",
    "not_found",
    "repository HOST/team/app not found: name unknown: repository name not known to registry",
  ],
  [
    403,
    "DENIED",
    "requested access to the resource is denied",
    "not_found",
    "pull access denied for HOST/team/app, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
  ],
  [401, "UNAUTHORIZED", "go away", "unauthorized", "unauthorized: go away"],
])("%d %s is told in Docker's words", async (status, code, message, category, text) => {
  const server = await serve((request, response) =>
    answer(response, status, {}, request.method === "HEAD" || code === "" ? "" : errorBody(code, message)),
  );
  const error = await rejection(repositoryAt(server.host).resolve(never));
  expect(error).toMatchObject({ category, message: text.replaceAll("HOST", server.host) });
});

test("a mirror is asked first, without credentials; where it fails the registry answers", async () => {
  const registry = new MemoryRegistry();
  registry.addManifest("team/app", "v1", MANIFEST_TYPE, manifestBytes());
  const blob = registry.addBlob("team/app", Buffer.from("from the registry"));
  const mirror = await serve((_request, response) =>
    answer(response, 401, { "WWW-Authenticate": 'Basic realm="give"' }),
  );
  const second = await serve((_request, response) => answer(response, 404, {}, "nothing here"));
  const server = await serve((request, response) => {
    if (request.headers.authorization === undefined)
      return answer(response, 401, { "WWW-Authenticate": 'Basic realm="r"' });
    return registry.handle(request, response);
  });
  const hosts = new Map([[server.host, { mirrors: [`${mirror.origin}/`, `${second.origin}/sub/`] }]]);
  const repository = repositoryAt(server.host, { credentials: USER, registries: client({ hosts }) });
  await repository.resolve(never);
  expect((await collect(repository.blob(blob, { offset: 0, signal: never }))).toString()).toBe(
    "from the registry",
  );
  expect(mirror.seen.length).toBe(1);
  expect(second.seen[0]?.path).toBe("/sub/v2/team/app/manifests/v1");
  expect([...mirror.seen, ...second.seen].some(({ headers }) => headers.authorization !== undefined)).toBe(
    false,
  );
});

test("a mirror gets the daemon's own account there, and nobody else's; not in the clear to another machine", async () => {
  const registry = new MemoryRegistry();
  const blob = registry.addBlob("team/app", Buffer.from("mirrored"));
  const wants = { "WWW-Authenticate": 'Basic realm="m"' };
  const asks: Handler = (request, response) => {
    if (request.headers.authorization === undefined) answer(response, 401, wants);
    else return registry.handle(request, response);
  };
  const [server, mirror] = [await serve(asks), await serve(asks)];
  const proxy = await serve((_request, response) => answer(response, 401, wants));
  const mirrors = ["http://mirror.example/", `${mirror.origin}/`];
  const account = { username: "daemon", password: "mirror-pa55", identityToken: "", registryToken: "" };
  const registries = client({
    hosts: new Map([[server.host, { mirrors }]]),
    mirrorAccounts: new Map([
      [mirror.host, account],
      ["mirror.example", account],
    ]),
    proxies: { http: proxy.origin, https: "", exceptions: "" },
  });
  const repository = repositoryAt(server.host, { credentials: USER, registries });
  expect((await collect(repository.blob(blob, { offset: 0, signal: never }))).toString()).toBe("mirrored");
  const sent = ({ seen }: Scripted): readonly unknown[] => seen.map(({ headers }) => headers.authorization);
  const basic = `Basic ${Buffer.from("daemon:mirror-pa55").toString("base64")}`;
  expect(sent(proxy)).toEqual([undefined]);
  expect(sent(mirror)).toEqual([undefined, basic]);
  expect(server.seen).toEqual([]);
  await repositoryAt(server.host, { credentials: USER, access: "push", registries }).hasBlob(
    blob.digest,
    never,
  );
  expect(sent(server)).not.toContain(basic);
});

test("a mirror that has it is enough; a path below /v2/ is a place for repositories", async () => {
  const registry = new MemoryRegistry();
  registry.addManifest("proxy/hub/library/busybox", "latest", MANIFEST_TYPE, manifestBytes());
  const blob = registry.addBlob("proxy/hub/library/busybox", Buffer.from("mirrored"));
  const mirror = await serve(registry.handle);
  const registries = client({ mirrors: [`${mirror.origin}/v2/proxy/hub/`] });
  const repository = repositoryAt("docker.io", { name: "library/busybox", registries });
  await repository.resolve(never);
  expect((await collect(repository.blob(blob, { offset: 0, signal: never }))).toString()).toBe("mirrored");
});

test("options that are replaced count for what is opened afterwards", async () => {
  const registry = new MemoryRegistry();
  registry.addManifest("team/app", "v1", MANIFEST_TYPE, manifestBytes());
  const mirror = await serve(registry.handle);
  const server = await serve(registry.handle);
  const registries = client();
  const before = repositoryAt(server.host, { registries });
  registries.replaceOptions(
    clientOptions({ hosts: new Map([[server.host, { mirrors: [`${mirror.origin}/`] }]]) }),
  );
  await before.resolve(never);
  expect([server.seen.length, mirror.seen.length]).toEqual([1, 0]);
  await repositoryAt(server.host, { registries }).resolve(never);
  expect([server.seen.length, mirror.seen.length]).toEqual([1, 1]);
});

test("an aborted pull ends at once with what the signal says", async () => {
  const server = await serve(() => {});
  const stop = new AbortController();
  const work = rejection(repositoryAt(server.host).resolve(stop.signal));
  setTimeout(() => stop.abort(new Error("the client went away")), 50);
  expect((await work).message).toBe("the client went away");
});
