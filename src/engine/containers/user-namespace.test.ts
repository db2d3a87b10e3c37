import { expect, test } from "bun:test";
import { FakeSnapshots } from "../testing/fake-snapshots.ts";
import { hostConfig } from "../testing/host-config.ts";
import { checkUserNamespace, idMapsOf, ownerOf, rootfsOf, shiftOf } from "./user-namespace.ts";

const FILES = { kind: "overlay", lowers: ["/l"], upper: "/u", work: "/w" } as const;

const REMAP = {
  uidMappings: [{ containerID: 0, hostID: 100_000, size: 65_536 }],
  gidMappings: [
    { containerID: 0, hostID: 300_000, size: 10 },
    { containerID: 10, hostID: 200_000, size: 10 },
  ],
};

test("a container has the remapped users unless it asks for the host's", () => {
  expect(idMapsOf(hostConfig({}), REMAP)).toBe(REMAP);
  expect(idMapsOf(hostConfig({ UsernsMode: "host" }), REMAP)).toBeUndefined();
  expect(idMapsOf(hostConfig({ UsernsMode: "host" }), undefined)).toBeUndefined();
});

test("its root is the first id of each mapping", () => {
  expect(ownerOf(REMAP)).toEqual({ uid: 100_000, gid: 300_000 });
  expect(ownerOf(undefined)).toEqual({ uid: 0, gid: 0 });
});

test.each<[Record<string, unknown>, string]>([
  [{ Privileged: true }, "privileged mode is incompatible with user namespaces.  You must run the container"],
  [{ NetworkMode: "host" }, "cannot share the host's network namespace when user namespaces are enabled"],
  [{ PidMode: "host" }, "cannot share the host PID namespace when user namespaces are enabled"],
])("%j needs --userns=host", (host, words) => {
  const asked = hostConfig(host);
  expect(() => checkUserNamespace(asked, REMAP)).toThrow(words);
  checkUserNamespace(asked, undefined);
});

test("a container that was made for other users does not start with these", () => {
  const snapshots = new FakeSnapshots();
  const mounted = (shiftedBy: string | undefined): FakeSnapshots =>
    Object.assign(new FakeSnapshots(), { mount: () => ({ ...FILES, ...(shiftedBy && { shiftedBy }) }) });
  const copied = { ...REMAP, layers: "copied" } as const;
  const mapped = { ...REMAP, layers: "mapped" } as const;
  const shift = shiftOf(copied);
  if (shift === undefined) throw new Error("nothing to shift");
  const key = snapshots.keyOf(shift);
  expect(rootfsOf(mounted(undefined), "c", undefined).idmapped).toBe(false);
  expect(rootfsOf(mounted(undefined), "c", mapped).idmapped).toBe(true);
  expect(rootfsOf(mounted(key), "c", copied).idmapped).toBe(false);
  const words = "made for the users of another userns-remap";
  expect(() => rootfsOf(mounted(key), "c", undefined)).toThrow(words);
  expect(() => rootfsOf(mounted(key), "c", mapped)).toThrow(words);
  expect(() => rootfsOf(mounted(undefined), "c", copied)).toThrow(words);
  expect(() => rootfsOf(mounted("other"), "c", copied)).toThrow(words);
});
