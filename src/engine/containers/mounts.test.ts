import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../../base/errors.ts";
import { fakeHostPaths } from "../testing/fake-host-paths.ts";
import { hostConfig } from "../testing/host-config.ts";
import { decodeMountRequest } from "./mount-record.ts";
import type { MountRequest } from "./mount-request.ts";
import { parseMounts } from "./mounts.ts";
import { checkBindSources, resolveMounts } from "./resolve-mounts.ts";

function bind(text: string): MountRequest {
  const [request] = parseMounts(hostConfig({ Binds: [text] }));
  if (request === undefined) throw new Error("no mount");
  return request;
}

test("-v source:destination is a private, recursive, writable bind whose source may be made", () => {
  expect(bind("/a//b/:/c/").mount).toEqual({
    kind: "bind",
    source: "/a/b",
    destination: "/c",
    readOnly: false,
    recursiveReadOnly: false,
    recursive: true,
    propagation: "rprivate",
    createSource: true,
  });
});

test("-v options may be combined, each kind once", () => {
  expect(bind("/a:/b:ro,rslave,z,cached").mount).toMatchObject({
    readOnly: true,
    recursiveReadOnly: true,
    propagation: "rslave",
  });
  expect(bind("/a:/b:ro").point).toEqual({
    Type: "bind",
    Source: "/a",
    Destination: "/b",
    Mode: "ro",
    RW: false,
    Propagation: "rprivate",
  });
});

test("malformed binds are refused with Docker's words", () => {
  const refused: readonly (readonly [string, string])[] = [
    ["/a:/b:xx", "invalid mode: xx"],
    ["/a:/b:ro,rw", "invalid mode: ro,rw"],
    ["/a:/b:rshared,slave", "invalid mode: rshared,slave"],
    ["/a:/b:ro:x", "invalid volume specification: '/a:/b:ro:x'"],
    [":/b", "invalid volume specification: ':/b'"],
    ["/a:", "invalid volume specification: '/a:'"],
    ["/a:ro", "invalid volume specification: '/a:ro'"],
    [
      "a:b",
      "invalid volume specification: 'a:b': invalid mount config for type \"volume\": invalid mount path: 'b' mount path must be absolute",
    ],
    [
      "/a:/",
      "invalid volume specification: '/a:/': invalid mount config for type \"bind\": invalid specification: destination can't be '/'",
    ],
    ["/a:/x/..", "destination can't be '/'"],
  ];
  for (const [text, message] of refused) expect(() => bind(text), text).toThrow(message);
});

test("-v NAME:destination is a volume, and one path alone an anonymous one", () => {
  expect(bind("data:/data")).toEqual({
    point: {
      Type: "volume",
      Name: "data",
      Source: "",
      Destination: "/data",
      Driver: "",
      Mode: "z",
      RW: true,
      Propagation: "",
    },
    mount: {
      kind: "volume",
      name: "data",
      isAnonymous: false,
      destination: "/data",
      readOnly: false,
      noCopy: false,
      subpath: "",
      driver: "",
      labels: null,
      options: null,
    },
  });
  expect(bind("data:/data:ro,nocopy").mount).toMatchObject({ readOnly: true, noCopy: true });
  expect(bind("data:/data:nocopy").point?.Mode).toBe("nocopy");
  expect(bind("/data").mount).toMatchObject({ kind: "volume", name: "", isAnonymous: true });
});

test("--mount type=image is read-only in any case, and has Docker's refusals", () => {
  const parse = (fields: Readonly<Record<string, unknown>>): MountRequest | undefined =>
    parseMounts(hostConfig({ Mounts: [{ Type: "image", Target: "/x", ...fields }] }))[0];
  const request = parse({ Source: "busybox:1", ImageOptions: { Subpath: "etc" } });
  expect(request).toEqual({
    point: {
      Type: "image",
      Name: "busybox:1",
      Source: "",
      Destination: "/x",
      Mode: "",
      RW: false,
      Propagation: "rprivate",
    },
    mount: {
      kind: "image",
      name: "busybox:1",
      destination: "/x",
      subpath: "etc",
      image: "",
      layer: "",
      snapshot: "",
    },
  });
  expect(decodeMountRequest(JSON.parse(JSON.stringify(request)), "mounts[0]")).toMatchObject({ ...request });
  const refused: readonly (readonly [Readonly<Record<string, unknown>>, string])[] = [
    [{}, 'invalid mount config for type "image": field Source must not be empty'],
    [
      { Source: "a", ImageOptions: { Subpath: "../etc" } },
      "subpath must be a relative path within the volume",
    ],
    [{ Source: "a", VolumeOptions: {} }, 'VolumeOptions must not be specified on mount type "image"'],
  ];
  for (const [fields, message] of refused) expect(() => parse(fields)).toThrow(message);
});

test("--mount type=volume says more, and Docker's refusals say why not", () => {
  const parse = (fields: Readonly<Record<string, unknown>>): MountRequest | undefined =>
    parseMounts(hostConfig({ Mounts: [{ Type: "volume", Target: "/x", ...fields }] }))[0];
  expect(
    parse({
      Source: "data",
      VolumeOptions: {
        NoCopy: true,
        Labels: { a: "b" },
        DriverConfig: { Name: "local", Options: { type: "tmpfs" } },
        Subpath: "a/./b",
      },
    })?.mount,
  ).toMatchObject({
    noCopy: true,
    labels: { a: "b" },
    driver: "local",
    options: { type: "tmpfs" },
    subpath: "a/./b",
  });
  const refused: readonly (readonly [Readonly<Record<string, unknown>>, string])[] = [
    [{ ReadOnly: true }, "must not set ReadOnly mode when using anonymous volumes"],
    [{ VolumeOptions: { Subpath: "a" } }, "must not set Subpath when using anonymous volumes"],
    ...["/a", "../a", "a/../../b", ".."].map(
      (Subpath) =>
        [
          { Source: "v1", VolumeOptions: { Subpath } },
          "subpath must be a relative path within the volume",
        ] as const,
    ),
    [{ Source: "v1", BindOptions: {} }, 'BindOptions must not be specified on mount type "volume"'],
  ];
  for (const [fields, message] of refused)
    expect(() => parse(fields), JSON.stringify(fields)).toThrow(message);
});

test("a volume has no propagation, and a bind nothing to copy", () => {
  expect(() => bind("data:/data:shared")).toThrow(
    "invalid volume specification: 'data:/data:shared': invalid mount config for type \"volume\": field BindOptions must not be specified",
  );
  expect(() => bind("/a:/b:nocopy")).toThrow("field VolumeOptions must not be specified");
});

test("a destination can be used once, however it is spelled", () => {
  expect(() => parseMounts(hostConfig({ Binds: ["/a:/x", "/b:/y/../x/"] }))).toThrow(
    "Duplicate mount point: /x",
  );
  expect(() => parseMounts(hostConfig({ Binds: ["/a:/x"], Tmpfs: { "/x": "" } }))).toThrow(
    "Duplicate mount point: /x",
  );
});

test("--mount type=bind takes its options and does not make its source", () => {
  const [request] = parseMounts(
    hostConfig({
      Mounts: [
        {
          Type: "bind",
          Source: "/a",
          Target: "/b",
          ReadOnly: true,
          BindOptions: { Propagation: "rshared", NonRecursive: true, ReadOnlyNonRecursive: true },
        },
      ],
    }),
  );
  expect(request?.mount).toEqual({
    kind: "bind",
    source: "/a",
    destination: "/b",
    readOnly: true,
    recursiveReadOnly: false,
    recursive: false,
    propagation: "rshared",
    createSource: false,
  });
});

test("--mount is checked with Docker's words", () => {
  const refused: readonly (readonly [Record<string, unknown>, string])[] = [
    [{ Type: "bind", Target: "/x" }, 'invalid mount config for type "bind": field Source must not be empty'],
    [{ Type: "bind", Source: "/x" }, 'invalid mount config for type "bind": field Target must not be empty'],
    [
      { Type: "bind", Source: "x", Target: "/x" },
      "invalid mount config for type \"bind\": invalid mount path: 'x' mount path must be absolute",
    ],
    [{ Type: "foo", Target: "/x" }, 'invalid mount config for type "foo": mount type unknown'],
    [
      { Type: "tmpfs", Source: "/y", Target: "/x" },
      'invalid mount config for type "tmpfs": field Source must not be specified',
    ],
    [
      { Type: "tmpfs", Target: "/x", BindOptions: {} },
      'BindOptions must not be specified on mount type "tmpfs"',
    ],
  ];
  for (const [mount, message] of refused)
    expect(() => parseMounts(hostConfig({ Mounts: [mount] }))).toThrow(message);
});

test("tmpfs options add to the safe defaults and replace their opposites", () => {
  const requests = parseMounts(
    hostConfig({
      Tmpfs: { "/a": "", "/b": "exec,size=1m,size=2m,ro" },
      Mounts: [{ Type: "tmpfs", Target: "/c", TmpfsOptions: { SizeBytes: 4096, Mode: 0o1777 } }],
    }),
  );
  const options = new Map(
    requests.map(({ mount }) => [mount.destination, mount.kind === "tmpfs" ? mount.options : []]),
  );
  expect(options.get("/a")).toEqual(["noexec", "nosuid", "nodev"]);
  expect(options.get("/b")).toEqual(["nosuid", "nodev", "exec", "size=2m", "ro"]);
  expect(options.get("/c")).toEqual(["noexec", "nosuid", "nodev", "size=4096", "mode=1777"]);
  expect(() => parseMounts(hostConfig({ Tmpfs: { "/a": "foo" } }))).toThrow("Invalid tmpfs option");
});

test("resolveMounts() makes missing -v sources, tells files from directories, and puts parents first", async () => {
  const directory = mkdtempSync(join(tmpdir(), "gantry-mounts-"));
  try {
    const made = join(directory, "new", "deep");
    const file = join(directory, "file");
    writeFileSync(file, "");
    const requests = parseMounts(hostConfig({ Binds: [`${file}:/x/y/z`, `${made}:/x`, "data:/x/v:ro"] }));
    const resolved = await resolveMounts(fakeHostPaths, requests, {
      acquire: (name) => Promise.resolve(`/volumes/${name}/_data`),
      show: () => Promise.reject(new Error("no images here")),
    });
    expect(resolved.map(({ destination }) => destination)).toEqual(["/x", "/x/v", "/x/y/z"]);
    expect(resolved).toMatchObject([
      { isDirectory: true },
      { kind: "bind", source: "/volumes/data/_data", readOnly: true, propagation: "rprivate" },
      { isDirectory: false },
    ]);
    expect(statSync(made).isDirectory()).toBe(true);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("checkBindSources() refuses a missing --mount source", async () => {
  const requests = parseMounts(
    hostConfig({ Mounts: [{ Type: "bind", Source: "/no/such/path", Target: "/x" }] }),
  );
  expect(await checkBindSources(fakeHostPaths, requests).then(String, messageOf)).toBe(
    'invalid mount config for type "bind": bind source path does not exist: /no/such/path',
  );
});
