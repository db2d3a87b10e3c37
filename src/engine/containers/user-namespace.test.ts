import { expect, test } from "bun:test";
import { hostConfig } from "../testing/host-config.ts";
import { checkUserNamespace, idMapsOf, ownerOf } from "./user-namespace.ts";

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
