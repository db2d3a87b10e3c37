/**
 * The distribution specification 1.1, endpoint by endpoint, over HTTP. The numbers are those of its table "Endpoints".
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sha256Of } from "../specs/oci-image/digest.ts";
import {
  type Answer,
  codeOf,
  imageOf,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
  RegistryHost,
} from "./testing/registry-host.ts";

let host: RegistryHost;
beforeAll(async () => {
  host = await RegistryHost.start();
});
afterAll(() => host.close());

const NOTHING = sha256Of("nobody ever pushed this");
const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";

function tagsOf(answer: Answer): string[] {
  const document: { readonly tags: string[] } = JSON.parse(answer.text);
  return document.tags;
}

interface Index {
  readonly schemaVersion: number;
  readonly mediaType: string;
  readonly manifests: object[];
}

function indexOf(answer: Answer): Index {
  const index: Index = JSON.parse(answer.text);
  return index;
}

async function beginUpload(repository: string): Promise<string> {
  const answer = await host.must("POST", `/v2/${repository}/blobs/uploads/`);
  return String(answer.headers.location);
}

describe("end-1: the base", () => {
  test("GET and HEAD /v2/ say which protocol is spoken", async () => {
    for (const path of ["/v2/", "/v2"]) {
      const answer = await host.ask("GET", path);
      expect(answer.status).toBe(200);
      expect(answer.headers["docker-distribution-api-version"]).toBe("registry/2.0");
      expect(answer.text.trim()).toBe("{}");
    }
    expect((await host.ask("HEAD", "/v2/")).status).toBe(200);
  });

  test("other methods are refused by name, with those that are not", async () => {
    const answer = await host.ask("POST", "/v2/");
    expect(codeOf(answer)).toBe("405 UNSUPPORTED");
    expect(answer.headers.allow).toBe("GET, HEAD");
  });

  test("pages that are none are not found, names that are none are invalid", async () => {
    for (const path of ["/", "/v1/", "/v2/x", "/v2/a/b/c", "/v3/", "/v2/a/tags", "/v2/a/b/tags/lists"])
      expect((await host.ask("GET", path)).status).toBe(404);
    for (const name of ["A", "a..b", "-a", "a-", "a___b", "a//b", "ä", "a/", "_a", "a%2Fb%00"])
      expect([400, 404]).toContain((await host.ask("GET", `/v2/${encodeURI(name)}/tags/list`)).status);
    expect(codeOf(await host.ask("GET", "/v2/Upper/tags/list"))).toBe("400 NAME_INVALID");
    const long = `a/${"b".repeat(254)}`;
    expect(codeOf(await host.ask("GET", `/v2/${long}/tags/list`))).toBe("400 NAME_INVALID");
    expect(codeOf(await host.ask("GET", `/v2/${long.slice(1 + 2)}/tags/list`))).toBe("404 NAME_UNKNOWN");
  });
});

describe("end-2: blobs are read", () => {
  const bytes = "0123456789abcdef";
  let digest = "";
  let path = "";
  beforeAll(async () => {
    ({ digest } = await host.pushBlob("read/blobs", bytes));
    path = `/v2/read/blobs/blobs/${digest}`;
  });

  test("GET and HEAD", async () => {
    const got = await host.ask("GET", path);
    expect(got.status).toBe(200);
    expect(got.text).toBe(bytes);
    const head = await host.ask("HEAD", path);
    expect(head.status).toBe(200);
    expect(head.bytes.length).toBe(0);
    for (const { headers } of [got, head]) {
      expect(headers["content-length"]).toBe("16");
      expect(headers["docker-content-digest"]).toBe(digest);
      expect(headers["content-type"]).toBe("application/octet-stream");
      expect(headers["accept-ranges"]).toBe("bytes");
      expect(headers.etag).toBe(`"${digest}"`);
    }
  });

  test("an empty blob is a blob", async () => {
    const empty = await host.pushBlob("read/blobs", "");
    const got = await host.ask("GET", `/v2/read/blobs/blobs/${empty.digest}`);
    expect([got.status, got.headers["content-length"], got.text]).toEqual([200, "0", ""]);
  });

  test("a digest with a percent-encoded colon is the same digest", async () => {
    expect((await host.ask("HEAD", path.replace("sha256:", "sha256%3A"))).status).toBe(200);
  });

  test.each([
    ["bytes=0-0", "0", "bytes 0-0/16"],
    ["bytes=4-", "456789abcdef", "bytes 4-15/16"],
    ["bytes=-3", "def", "bytes 13-15/16"],
    ["bytes=-99", bytes, "bytes 0-15/16"],
    ["bytes=10-99", "abcdef", "bytes 10-15/16"],
    ["BYTES=1-2", "12", "bytes 1-2/16"],
  ])("Range: %s", async (range, text, contentRange) => {
    const got = await host.ask("GET", path, { headers: { Range: range } });
    expect(got.status).toBe(206);
    expect(got.text).toBe(text);
    expect(got.headers["content-range"]).toBe(contentRange);
    expect(got.headers["content-length"]).toBe(String(text.length));
  });

  test.each(["bytes=16-", "bytes=99-100", "bytes=-0", "bytes=5-4", "bytes=a-b", "bytes=", "bytes=--1"])(
    "Range: %s cannot be satisfied",
    async (range) => {
      const got = await host.ask("GET", path, { headers: { Range: range } });
      expect(codeOf(got)).toBe("416 RANGE_INVALID");
      expect(got.headers["content-range"]).toBe("bytes */16");
    },
  );

  test("several ranges come as parts", async () => {
    const got = await host.ask("GET", path, { headers: { Range: "bytes=0-1, 8-9,-1" } });
    expect(got.status).toBe(206);
    const boundary = /^multipart\/byteranges; boundary=(.+)$/.exec(String(got.headers["content-type"]))?.[1];
    const parts = got.text
      .split(`--${boundary}`)
      .slice(1, -1)
      .map((part) => part.trim().split("\r\n\r\n"));
    expect(parts.map(([, text]) => text)).toEqual(["01", "89", "f"]);
    expect(parts.map(([head]) => /Content-Range: (.*)/.exec(head ?? "")?.[1])).toEqual([
      "bytes 0-1/16",
      "bytes 8-9/16",
      "bytes 15-15/16",
    ]);
    expect(got.text.endsWith(`--${boundary}--\r\n`)).toBe(true);
    expect(got.headers["content-length"]).toBe(String(got.bytes.length));
  });

  test("what is no sensible range gets the whole", async () => {
    for (const range of ["lines=1-2", "bytes=0-15,0-15", `bytes=${"0-0,".repeat(40)}1-1`])
      expect((await host.ask("GET", path, { headers: { Range: range } })).status).toBe(200);
    const headers = { Range: "bytes=0-1", "If-Range": '"other"' };
    expect((await host.ask("GET", path, { headers })).status).toBe(200);
    const same = { Range: "bytes=0-1", "If-Range": `"${digest}"` };
    expect((await host.ask("GET", path, { headers: same })).status).toBe(206);
  });

  test("If-None-Match saves the bytes", async () => {
    const got = await host.ask("GET", path, { headers: { "If-None-Match": `"${digest}"` } });
    expect([got.status, got.text]).toEqual([304, ""]);
  });

  test("a blob is only where it was pushed", async () => {
    expect(codeOf(await host.ask("GET", `/v2/another/blobs/${digest}`))).toBe("404 BLOB_UNKNOWN");
    expect((await host.ask("HEAD", `/v2/another/blobs/${digest}`)).status).toBe(404);
    expect(codeOf(await host.ask("GET", `/v2/read/blobs/blobs/${NOTHING}`))).toBe("404 BLOB_UNKNOWN");
  });

  test.each(["sha256:abc", "sha256", "md5:0cc175b9c0f1b6a831c399e269772661", `sha512:${"a".repeat(128)}`])(
    "digest %s is refused",
    async (bad) => {
      expect(codeOf(await host.ask("GET", `/v2/read/blobs/blobs/${bad}`))).toBe("400 DIGEST_INVALID");
    },
  );
});

describe("end-4, end-5, end-6, end-13: blobs are uploaded", () => {
  test("POST then PUT", async () => {
    const bytes = "post then put";
    const digest = sha256Of(bytes);
    const begun = await host.ask("POST", "/v2/up/one/blobs/uploads/");
    expect(begun.status).toBe(202);
    expect(begun.headers.range).toBe("0-0");
    expect(begun.headers["docker-upload-uuid"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(Number(begun.headers["oci-chunk-min-length"])).toBeGreaterThan(0);
    const done = await host.ask("PUT", `${begun.headers.location}?digest=${digest}`, { body: bytes });
    expect(done.status).toBe(201);
    expect(done.headers.location).toBe(`/v2/up/one/blobs/${digest}`);
    expect(done.headers["docker-content-digest"]).toBe(digest);
    expect((await host.ask("GET", String(done.headers.location))).text).toBe(bytes);
    expect(codeOf(await host.ask("GET", String(begun.headers.location)))).toBe("404 BLOB_UPLOAD_UNKNOWN");
  });

  test("POST alone", async () => {
    const digest = sha256Of("at once");
    const done = await host.ask("POST", `/v2/up/one/blobs/uploads/?digest=${digest}`, { body: "at once" });
    expect([done.status, done.headers.location]).toEqual([201, `/v2/up/one/blobs/${digest}`]);
  });

  test("in chunks, with the last one in PUT", async () => {
    const location = await beginUpload("up/chunks");
    const first = await host.ask("PATCH", location, { body: "abc", headers: { "Content-Range": "0-2" } });
    expect([first.status, first.headers.range]).toEqual([202, "0-2"]);
    const second = await host.ask("PATCH", String(first.headers.location), {
      body: "defg",
      headers: { "Content-Range": "3-6" },
    });
    expect([second.status, second.headers.range]).toEqual([202, "0-6"]);
    const status = await host.ask("GET", String(second.headers.location));
    expect([status.status, status.headers.range]).toEqual([204, "0-6"]);
    const digest = sha256Of("abcdefghi");
    const done = await host.ask("PUT", `${String(status.headers.location)}?digest=${digest}`, {
      body: "hi",
      headers: { "Content-Range": "7-8" },
    });
    expect(done.status).toBe(201);
    expect((await host.ask("GET", `/v2/up/chunks/blobs/${digest}`)).text).toBe("abcdefghi");
  });

  test("as one stream without a length, closed by an empty PUT", async () => {
    const location = await beginUpload("up/stream");
    const streamed = await host.ask("PATCH", location, {
      body: "streamed",
      chunked: true,
    });
    expect([streamed.status, streamed.headers.range]).toEqual([202, "0-7"]);
    const done = await host.ask("PUT", `${location}?digest=${sha256Of("streamed")}`);
    expect(done.status).toBe(201);
  });

  test("chunks out of order are refused, and the upload goes on", async () => {
    const location = await beginUpload("up/order");
    await host.must("PATCH", location, { body: "abc", headers: { "Content-Range": "0-2" } });
    for (const range of ["4-6", "0-2", "2-4", "x", "3", "5-3", "bytes 3-5/9", "-3"]) {
      const refused = await host.ask("PATCH", location, { body: "def", headers: { "Content-Range": range } });
      expect(codeOf(refused)).toBe("416 RANGE_INVALID");
      expect(refused.headers.location).toBe(location);
    }
    const headers = { "Content-Range": "0-2" };
    expect(
      codeOf(await host.ask("PUT", `${location}?digest=${sha256Of("abcabc")}`, { body: "abc", headers })),
    ).toBe("416 RANGE_INVALID");
    expect((await host.ask("GET", location)).headers.range).toBe("0-2");
    await host.must("PATCH", location, { body: "def", headers: { "Content-Range": "3-5" } });
    await host.must("PUT", `${location}?digest=${sha256Of("abcdef")}`);
  });

  test("a range that says another length than the body has is refused", async () => {
    const location = await beginUpload("up/length");
    const headers = { "Content-Range": "0-9" };
    expect(codeOf(await host.ask("PATCH", location, { body: "abc", headers }))).toBe("400 SIZE_INVALID");
    const short = { "Content-Range": "0-1" };
    expect(codeOf(await host.ask("PATCH", location, { body: "abc", headers: short, chunked: true }))).toBe(
      "400 SIZE_INVALID",
    );
  });

  test("a wrong digest ends the upload and leaves no blob", async () => {
    const location = await beginUpload("up/wrong");
    const wrong = sha256Of("something else");
    expect(codeOf(await host.ask("PUT", `${location}?digest=${wrong}`, { body: "this" }))).toBe(
      "400 DIGEST_INVALID",
    );
    for (const digest of [wrong, sha256Of("this")])
      expect((await host.ask("HEAD", `/v2/up/wrong/blobs/${digest}`)).status).toBe(404);
    expect(codeOf(await host.ask("GET", location))).toBe("404 BLOB_UPLOAD_UNKNOWN");
    const post = await host.ask("POST", `/v2/up/wrong/blobs/uploads/?digest=${wrong}`, { body: "this" });
    expect(codeOf(post)).toBe("400 DIGEST_INVALID");
  });

  test("PUT without a digest, or with one that is none, is refused, and the upload goes on", async () => {
    const location = await beginUpload("up/none");
    for (const query of ["", "?digest=", "?digest=sha256:xyz", `?digest=sha512:${"0".repeat(128)}`])
      expect(codeOf(await host.ask("PUT", location + query, { body: "x" }))).toBe("400 DIGEST_INVALID");
    expect((await host.ask("GET", location)).status).toBe(204);
  });

  test("DELETE gives an upload up", async () => {
    const location = await beginUpload("up/cancel");
    await host.must("PATCH", location, { body: "bytes" });
    expect((await host.ask("DELETE", location)).status).toBe(204);
    for (const method of ["GET", "DELETE", "PATCH", "PUT"])
      expect(codeOf(await host.ask(method, `${location}?digest=${NOTHING}`))).toBe("404 BLOB_UPLOAD_UNKNOWN");
    expect(host.content.partials().some(({ name }) => location.endsWith(name))).toBe(false);
  });

  test("an upload belongs to its repository", async () => {
    const location = (await beginUpload("up/mine")).replace("up/mine", "up/yours");
    expect(codeOf(await host.ask("GET", location))).toBe("404 BLOB_UPLOAD_UNKNOWN");
    expect(codeOf(await host.ask("PATCH", location, { body: "x" }))).toBe("404 BLOB_UPLOAD_UNKNOWN");
  });
});

describe("end-11: blobs are mounted", () => {
  test("from a repository that has it", async () => {
    const { digest } = await host.pushBlob("mount/from", "mounted bytes");
    const path = `/v2/mount/to/blobs/uploads/?mount=${digest}`;
    const done = await host.ask("POST", `${path}&from=mount/from`);
    expect([done.status, done.headers.location]).toEqual([201, `/v2/mount/to/blobs/${digest}`]);
    expect((await host.ask("GET", `/v2/mount/to/blobs/${digest}`)).text).toBe("mounted bytes");
  });

  test("without saying from where", async () => {
    const { digest } = await host.pushBlob("mount/from", "found by itself");
    expect((await host.ask("POST", `/v2/mount/auto/blobs/uploads/?mount=${digest}`)).status).toBe(201);
  });

  test("from where it is not, an upload begins", async () => {
    for (const from of ["mount/nowhere", "not A name", ""]) {
      const query = `?mount=${NOTHING}&from=${encodeURIComponent(from)}`;
      const begun = await host.ask("POST", `/v2/mount/to/blobs/uploads/${query}`);
      expect(begun.status).toBe(202);
      expect(begun.headers.location).toStartWith("/v2/mount/to/blobs/uploads/");
    }
    expect((await host.ask("POST", "/v2/mount/to/blobs/uploads/?mount=x&from=y")).status).toBe(202);
  });
});

describe("end-3, end-7: manifests", () => {
  test("are pushed by tag and read by tag and digest", async () => {
    const { digest, manifest } = await host.pushImage("man/one", "v1", "layer one");
    for (const reference of ["v1", digest]) {
      const got = await host.ask("GET", `/v2/man/one/manifests/${reference}`, {
        headers: { Accept: OCI_MANIFEST },
      });
      expect(got.status).toBe(200);
      expect(JSON.parse(got.text)).toEqual(manifest);
      expect(got.headers["content-type"]).toBe(OCI_MANIFEST);
      expect(got.headers["docker-content-digest"]).toBe(digest);
      const head = await host.ask("HEAD", `/v2/man/one/manifests/${reference}`, {
        headers: { Accept: OCI_MANIFEST },
      });
      expect([head.status, head.headers["content-length"]]).toEqual([200, String(got.bytes.length)]);
      expect(head.headers["docker-content-digest"]).toBe(digest);
    }
    const again = await host.ask("GET", "/v2/man/one/manifests/v1", {
      headers: { "If-None-Match": `"${digest}"` },
    });
    expect(again.status).toBe(304);
  });

  test("are pushed by digest, which must be theirs", async () => {
    const config = await host.pushBlob("man/digest", "{}");
    const body = JSON.stringify(imageOf(config));
    const headers = { "Content-Type": OCI_MANIFEST };
    const digest = sha256Of(body);
    const done = await host.ask("PUT", `/v2/man/digest/manifests/${digest}`, { body, headers });
    expect(done.status).toBe(201);
    expect(done.headers.location).toBe(`/v2/man/digest/manifests/${digest}`);
    expect(done.headers["docker-content-digest"]).toBe(digest);
    for (const wrong of [NOTHING, "sha256:short", `sha512:${"0".repeat(128)}`])
      expect(codeOf(await host.ask("PUT", `/v2/man/digest/manifests/${wrong}`, { body, headers }))).toBe(
        "400 DIGEST_INVALID",
      );
    expect((await host.ask("GET", "/v2/man/digest/tags/list")).text.trim()).toBe(
      '{"name":"man/digest","tags":[]}',
    );
  });

  test("a tag moves, the old manifest stays", async () => {
    const first = await host.pushImage("man/move", "latest", "one");
    const second = await host.pushImage("man/move", "latest", "two");
    const head = await host.ask("HEAD", "/v2/man/move/manifests/latest");
    expect(head.headers["docker-content-digest"]).toBe(second.digest);
    expect((await host.ask("HEAD", `/v2/man/move/manifests/${first.digest}`)).status).toBe(200);
  });

  test("what is not there is unknown", async () => {
    await host.pushImage("man/some", "v1", "x");
    for (const reference of ["v2", NOTHING, ".invalid", "a".repeat(129)])
      expect(codeOf(await host.ask("GET", `/v2/man/some/manifests/${reference}`))).toBe(
        "404 MANIFEST_UNKNOWN",
      );
    expect(codeOf(await host.ask("GET", "/v2/man/never/manifests/v1"))).toBe("404 MANIFEST_UNKNOWN");
    expect(codeOf(await host.ask("GET", "/v2/man/some/manifests/sha256:x"))).toBe("400 DIGEST_INVALID");
  });

  test("tags that are none are refused", async () => {
    for (const tag of [".x", "-x", "a".repeat(129), "a+b", "%C3%A4"])
      expect(codeOf(await host.ask("PUT", `/v2/man/one/manifests/${tag}`, { body: "{}" }))).toBe(
        "400 TAG_INVALID",
      );
  });

  test("all that a manifest refers to must be in its repository", async () => {
    const config = await host.pushBlob("man/needs", "{}");
    const elsewhere = await host.pushBlob("man/else", "only elsewhere");
    const headers = { "Content-Type": OCI_MANIFEST };
    const push = (document: object, type = OCI_MANIFEST) =>
      host.ask("PUT", "/v2/man/needs/manifests/v1", {
        body: JSON.stringify(document),
        headers: { ...headers, "Content-Type": type },
      });
    for (const missing of [imageOf({ digest: NOTHING, size: 2 }), imageOf(config, elsewhere)])
      expect(codeOf(await push(missing))).toBe("404 MANIFEST_BLOB_UNKNOWN");
    const child = { mediaType: OCI_MANIFEST, digest: NOTHING, size: 7 };
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [child] };
    expect(codeOf(await push(index, OCI_INDEX))).toBe("404 MANIFEST_BLOB_UNKNOWN");
    expect(codeOf(await push(imageOf({ ...config, size: 3 })))).toBe("400 MANIFEST_INVALID");
    expect((await host.ask("GET", "/v2/man/needs/manifests/v1")).status).toBe(404);
  });

  test("a foreign layer need not be there", async () => {
    const config = await host.pushBlob("man/foreign", "{}");
    const layer = {
      mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
      digest: NOTHING,
      size: 12345,
      urls: ["https://example.com/layer"],
    };
    const body = JSON.stringify({
      schemaVersion: 2,
      mediaType: DOCKER_MANIFEST,
      config: { mediaType: "application/vnd.docker.container.image.v1+json", ...config },
      layers: [layer],
    });
    const put = (text: string) =>
      host.ask("PUT", "/v2/man/foreign/manifests/v1", {
        body: text,
        headers: { "Content-Type": DOCKER_MANIFEST },
      });
    expect((await put(body)).status).toBe(201);
    expect(codeOf(await put(body.replace(".foreign", "")))).toBe("404 MANIFEST_BLOB_UNKNOWN");
  });

  test("4 MiB are the most", async () => {
    const config = await host.pushBlob("man/large", "{}");
    const document = { ...imageOf(config), annotations: { filler: "x".repeat(3 << 20) } };
    await host.pushManifest("man/large", "fits", document);
    const got = await host.ask("GET", "/v2/man/large/manifests/fits");
    expect(JSON.parse(got.text)).toEqual(document);
    const headers = { "Content-Type": OCI_MANIFEST };
    const body = Buffer.alloc((4 << 20) + 1, 0x20);
    expect(codeOf(await host.ask("PUT", "/v2/man/large/manifests/v1", { body, headers }))).toBe(
      "413 MANIFEST_INVALID",
    );
  });
});

describe("Accept", () => {
  let image = "";
  let list = "";
  beforeAll(async () => {
    const config = await host.pushBlob("acc/ept", "{}");
    const document = { ...imageOf(config), mediaType: DOCKER_MANIFEST };
    image = await host.pushManifest("acc/ept", "single", document);
    const size = JSON.stringify(document).length;
    const platform = { os: "linux", architecture: "amd64" };
    const entry = { mediaType: DOCKER_MANIFEST, digest: image, size, platform };
    list = await host.pushManifest("acc/ept", "list", {
      schemaVersion: 2,
      mediaType: DOCKER_LIST,
      manifests: [entry],
    });
    await host.pushManifest("acc/ept", "index", {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [entry],
    });
  });

  test.each([
    ["list", undefined, "list"],
    ["list", "*/*", "list"],
    ["list", `${DOCKER_MANIFEST}, ${DOCKER_LIST};q=0.5`, "list"],
    ["list", DOCKER_MANIFEST, "image"],
    ["index", DOCKER_MANIFEST, "refused"],
    ["index", OCI_INDEX, "index"],
    ["single", OCI_MANIFEST, "refused"],
    ["single", DOCKER_MANIFEST.toUpperCase(), "image"],
  ])("%s as %p is %s", async (tag, accept, expected) => {
    const headers: Record<string, string> = accept === undefined ? {} : { Accept: accept };
    const got = await host.ask("GET", `/v2/acc/ept/manifests/${tag}`, { headers });
    if (expected === "refused") expect(codeOf(got)).toBe("404 MANIFEST_UNKNOWN");
    else expect(got.status).toBe(200);
    if (expected === "image") expect(got.headers["docker-content-digest"]).toBe(image);
    if (expected === "list") expect(got.headers["docker-content-digest"]).toBe(list);
  });

  test("by digest anybody gets what was named", async () => {
    const got = await host.ask("GET", `/v2/acc/ept/manifests/${list}`, { headers: { Accept: "text/html" } });
    expect([got.status, got.headers["content-type"]]).toEqual([200, DOCKER_LIST]);
  });
});

describe("end-8: lists", () => {
  beforeAll(async () => {
    for (const tag of ["b", "a", "C", "a.1", "_x", "10", "9"]) await host.pushImage("list/tags", tag, "same");
  });

  test("tags in byte order", async () => {
    const got = await host.ask("GET", "/v2/list/tags/tags/list");
    expect(got.headers["content-type"]).toBe("application/json");
    expect(JSON.parse(got.text)).toEqual({
      name: "list/tags",
      tags: ["10", "9", "C", "_x", "a", "a.1", "b"],
    });
    expect(got.headers.link).toBeUndefined();
  });

  test("tags page by page", async () => {
    const seen: string[] = [];
    let path = "/v2/list/tags/tags/list?n=3";
    for (let pages = 0; path !== ""; pages++) {
      expect(pages).toBeLessThan(4);
      const got = await host.ask("GET", path);
      seen.push(...tagsOf(got));
      path = /^<([^>]+)>; rel="next"$/.exec(String(got.headers.link ?? ""))?.[1] ?? "";
    }
    expect(seen).toEqual(["10", "9", "C", "_x", "a", "a.1", "b"]);
  });

  test("n and last, and what is neither", async () => {
    const tags = async (query: string) => tagsOf(await host.ask("GET", `/v2/list/tags/tags/list?${query}`));
    expect(await tags("n=0")).toEqual([]);
    expect(await tags("last=a")).toEqual(["a.1", "b"]);
    expect(await tags("last=a0&n=1")).toEqual(["b"]);
    expect(await tags("last=zzz")).toEqual([]);
    expect(await tags("n=100000000")).toHaveLength(7);
    for (const n of ["-1", "x", "1e3", "1.5", "9".repeat(30)])
      expect(codeOf(await host.ask("GET", `/v2/list/tags/tags/list?n=${n}`))).toBe(
        "400 PAGINATION_NUMBER_INVALID",
      );
    expect(codeOf(await host.ask("GET", "/v2/list/none/tags/list"))).toBe("404 NAME_UNKNOWN");
  });

  test("repositories page by page", async () => {
    for (const name of ["zz/a", "zz/b", "zz/c"]) await host.pushImage(name, "v1", "same");
    const got = await host.ask("GET", "/v2/_catalog?last=zz&n=2");
    expect(JSON.parse(got.text)).toEqual({ repositories: ["zz/a", "zz/b"] });
    expect(got.headers.link).toBe('</v2/_catalog?last=zz%2Fb&n=2>; rel="next"');
    const rest = await host.ask("GET", "/v2/_catalog?last=zz%2Fb&n=2");
    expect(JSON.parse(rest.text)).toEqual({ repositories: ["zz/c"] });
    expect(rest.headers.link).toBeUndefined();
  });
});

describe("end-12: referrers", () => {
  let subject: { digest: string; size: number };
  let sbom = "";
  let signature = "";
  beforeAll(async () => {
    const image = await host.pushImage("ref/er", "v1", "subject");
    subject = { digest: image.digest, size: JSON.stringify(image.manifest).length };
    const config = await host.pushBlob("ref/er", "{}");
    const about = { subject: { mediaType: OCI_MANIFEST, ...subject } };
    const put = async (document: object) => {
      const body = JSON.stringify(document);
      const done = await host.must("PUT", `/v2/ref/er/manifests/${sha256Of(body)}`, {
        body,
        headers: { "Content-Type": OCI_MANIFEST },
      });
      expect(done.headers["oci-subject"]).toBe(subject.digest);
      return sha256Of(body);
    };
    sbom = await put({
      ...imageOf(config),
      ...about,
      artifactType: "x/sbom",
      annotations: { __proto__x: "y" },
    });
    signature = await put({ ...imageOf(config), ...about });
  });

  const manifests = async (query: string) => {
    const got = await host.must("GET", `/v2/ref/er/referrers/${subject.digest}${query}`);
    expect(got.headers["content-type"]).toBe(OCI_INDEX);
    const index = indexOf(got);
    expect([index.schemaVersion, index.mediaType]).toEqual([2, OCI_INDEX]);
    return { got, manifests: index.manifests };
  };

  test("are listed with type, annotations and size", async () => {
    const { manifests: found } = await manifests("");
    expect(found).toHaveLength(2);
    expect(found).toContainEqual(
      expect.objectContaining({
        mediaType: OCI_MANIFEST,
        digest: sbom,
        artifactType: "x/sbom",
        annotations: { __proto__x: "y" },
      }),
    );
    expect(found).toContainEqual(expect.objectContaining({ digest: signature, artifactType: OCI_CONFIG }));
  });

  test("are filtered by type, which is said", async () => {
    const { got, manifests: found } = await manifests("?artifactType=x%2Fsbom");
    expect(found).toHaveLength(1);
    expect(got.headers["oci-filters-applied"]).toBe("artifactType");
    expect((await manifests("?artifactType=none/such")).manifests).toEqual([]);
  });

  test("come page by page", async () => {
    const first = await manifests("?n=1");
    const next = /^<([^>]+)>; rel="next"$/.exec(String(first.got.headers.link))?.[1];
    const second = await host.ask("GET", String(next));
    const digests = [...first.manifests, ...indexOf(second).manifests];
    expect(digests).toHaveLength(2);
    expect(second.headers.link).toBeUndefined();
  });

  test("of what nobody refers to are none, also where nothing is", async () => {
    for (const path of [`/v2/ref/er/referrers/${NOTHING}`, `/v2/ref/nowhere/referrers/${NOTHING}`]) {
      const got = await host.ask("GET", path);
      expect([got.status, indexOf(got).manifests]).toEqual([200, []]);
    }
    expect(codeOf(await host.ask("GET", "/v2/ref/er/referrers/nothing"))).toBe("400 DIGEST_INVALID");
  });

  test("may come before what they refer to", async () => {
    const config = await host.pushBlob("ref/early", "{}");
    const document = {
      ...imageOf(config),
      subject: { mediaType: OCI_MANIFEST, digest: NOTHING, size: 1 },
      layers: [{ mediaType: OCI_LAYER, ...config }],
    };
    await host.pushManifest("ref/early", "v1", document);
    const got = await host.ask("GET", `/v2/ref/early/referrers/${NOTHING}`);
    expect(indexOf(got).manifests).toHaveLength(1);
  });
});

describe("end-9, end-10: deletion", () => {
  test("of a tag leaves the manifest", async () => {
    const { digest } = await host.pushImage("del/tag", "v1", "x");
    expect((await host.ask("DELETE", "/v2/del/tag/manifests/v1")).status).toBe(202);
    expect(codeOf(await host.ask("GET", "/v2/del/tag/manifests/v1"))).toBe("404 MANIFEST_UNKNOWN");
    expect((await host.ask("HEAD", `/v2/del/tag/manifests/${digest}`)).status).toBe(200);
    expect(codeOf(await host.ask("DELETE", "/v2/del/tag/manifests/v1"))).toBe("404 MANIFEST_UNKNOWN");
  });

  test("of a manifest takes its tags", async () => {
    const { digest } = await host.pushImage("del/man", "v1", "x");
    await host.pushImage("del/man", "v2", "x");
    await host.pushImage("del/man", "other", "y");
    expect((await host.ask("DELETE", `/v2/del/man/manifests/${digest}`)).status).toBe(202);
    expect(JSON.parse((await host.ask("GET", "/v2/del/man/tags/list")).text)).toEqual({
      name: "del/man",
      tags: ["other"],
    });
    expect(codeOf(await host.ask("DELETE", `/v2/del/man/manifests/${digest}`))).toBe("404 MANIFEST_UNKNOWN");
  });

  test("of a blob, from this repository only", async () => {
    const { digest } = await host.pushBlob("del/blob", "to go");
    await host.pushBlob("del/other", "to go");
    expect((await host.ask("DELETE", `/v2/del/blob/blobs/${digest}`)).status).toBe(202);
    expect((await host.ask("HEAD", `/v2/del/blob/blobs/${digest}`)).status).toBe(404);
    expect((await host.ask("HEAD", `/v2/del/other/blobs/${digest}`)).status).toBe(200);
    expect(codeOf(await host.ask("DELETE", `/v2/del/blob/blobs/${digest}`))).toBe("404 BLOB_UNKNOWN");
    expect(codeOf(await host.ask("DELETE", "/v2/del/blob/blobs/x"))).toBe("400 DIGEST_INVALID");
  });
});
