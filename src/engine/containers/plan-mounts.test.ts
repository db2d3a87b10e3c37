import { expect, test } from "bun:test";
import { containerConfig, hostConfig } from "../testing/host-config.ts";
import { decodeMountRequest } from "./mount-record.ts";
import type { MountRequest } from "./mount-request.ts";
import { parseMounts } from "./mounts.ts";
import { type Lender, parseVolumesFrom, planMounts } from "./plan-mounts.ts";

interface Case {
  readonly binds?: readonly string[];
  readonly tmpfs?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly lenders?: readonly Lender[];
}

function planned({ binds = [], tmpfs = {}, volumes = [], lenders = [] }: Case): readonly MountRequest[] {
  const host = hostConfig({ Binds: binds, Tmpfs: tmpfs });
  const config = containerConfig({ Volumes: Object.fromEntries(volumes.map((path) => [path, {}])) });
  return planMounts(parseMounts(host), lenders, config, host);
}

function lender(readOnly: boolean, ...binds: string[]): Lender {
  return { mounts: parseMounts(hostConfig({ Binds: binds })), readOnly };
}

const shown = (mounts: readonly MountRequest[]): readonly string[] =>
  mounts.map(({ mount }) => `${mount.destination}=${mount.kind === "volume" ? mount.name : mount.kind}`);

test("volumes of image and configuration become anonymous ones, unless something is mounted there", () => {
  const mounts = planned({
    binds: ["data:/a", "/h:/b"],
    tmpfs: { "/c": "" },
    volumes: ["/a", "/b/", "/c", "/d", "/d/e"],
  });
  expect(shown(mounts)).toEqual(["/a=data", "/b=bind", "/c=tmpfs", "/d=", "/d/e="]);
  expect(mounts.at(-1)).toMatchObject({ mount: { isAnonymous: true }, point: { Mode: "", RW: true } });
});

test("an image's volume path, whatever it says, is one inside the container, and not its root", () => {
  expect(shown(planned({ volumes: ["/../../etc", "rel", "a/../b", "//x//y/"] }))).toEqual([
    "/etc=",
    "/rel=",
    "/b=",
    "/x/y=",
  ]);
  for (const path of ["/", ".", "//", "/..", "a/..", ""])
    expect(() => planned({ volumes: [path] }), path).toThrow("it is not inside the container's root");
});

test("--volumes-from: later lenders win over earlier ones, and what is asked for over all of them", () => {
  const lenders = [lender(false, "one:/a", "one:/b", "/h:/c"), lender(false, "two:/b", "two:/d")];
  expect(shown(planned({ binds: ["mine:/d"], volumes: ["/a", "/z"], lenders }))).toEqual([
    "/a=one",
    "/b=two",
    "/c=bind",
    "/d=mine",
    "/z=",
  ]);
});

test("--volumes-from CONTAINER:ro lends read-only, and never makes anything writable", () => {
  const [a, b] = planned({ lenders: [lender(true, "one:/a", "/h:/b")] });
  expect([a, b]).toMatchObject([
    { point: { RW: false, Mode: "" }, mount: { readOnly: true, noCopy: true } },
    { point: { RW: false, Mode: "" }, mount: { readOnly: true, recursiveReadOnly: true } },
  ]);
  expect(planned({ lenders: [lender(false, "one:/a:ro")] })).toMatchObject([{ mount: { readOnly: true } }]);
});

test("--tmpfs of another container is not lent, --mount type=tmpfs is", () => {
  const mounts = parseMounts(
    hostConfig({ Tmpfs: { "/a": "" }, Mounts: [{ Type: "tmpfs", Target: "/b", ReadOnly: true }] }),
  );
  expect(planned({ lenders: [{ mounts, readOnly: false }] })).toMatchObject([
    { point: { Destination: "/b", RW: false }, mount: { options: ["noexec", "nosuid", "nodev", "ro"] } },
  ]);
});

test("volumes-from takes a mode of access and labels, nothing else", () => {
  expect(parseVolumesFrom("web")).toEqual({ container: "web", readOnly: false });
  expect(parseVolumesFrom("web:ro")).toEqual({ container: "web", readOnly: true });
  expect(parseVolumesFrom("web:rw,z")).toEqual({ container: "web", readOnly: false });
  for (const mode of ["zz", "nocopy", "shared", "ro,rw"])
    expect(() => parseVolumesFrom(`web:${mode}`)).toThrow(`invalid mode: ${mode}`);
  expect(() => parseVolumesFrom("")).toThrow("volumes-from specification cannot be an empty string");
});

test("planned mounts are read back from a row as they were written", () => {
  const host = hostConfig({
    Binds: ["/h:/a:ro,rslave", "data:/b:nocopy"],
    Tmpfs: { "/c": "size=1m" },
    Mounts: [
      { Type: "volume", Target: "/d", Source: "v2", VolumeOptions: { Labels: { k: "v" }, Subpath: "x" } },
    ],
  });
  const mounts = planMounts(parseMounts(host), [], containerConfig({ Volumes: { "/e": {} } }), host);
  expect(mounts).toHaveLength(5);
  const stored: unknown = JSON.parse(JSON.stringify(mounts));
  if (!Array.isArray(stored)) throw new Error("no list");
  expect(stored.map((value: unknown) => decodeMountRequest(value, "mounts"))).toEqual([...mounts]);
});
