import { expect, test } from "bun:test";
import { markFileBinds } from "./bind-sources.ts";
import { markHostNamespaces } from "./own-namespaces.ts";

test("markHostNamespaces() finds the runtime's own namespace under any name", () => {
  const marked = markHostNamespaces({
    ociVersion: "1.2.0",
    linux: {
      namespaces: [
        { type: "network", path: `/proc/${process.pid}/ns/net` },
        { type: "ipc", path: "/proc/self/ns/uts" },
        { type: "uts", path: "/nowhere/uts", gantryHost: true },
        { type: "pid", gantryHost: true },
        { type: "mount", path: "" },
      ],
    },
  });
  expect(marked.linux?.namespaces).toEqual([
    { type: "network", path: `/proc/${process.pid}/ns/net`, gantryHost: true },
    { type: "ipc", path: "/proc/self/ns/uts", gantryHost: false },
    { type: "uts", path: "/nowhere/uts", gantryHost: false },
    { type: "pid" },
    { type: "mount" },
  ]);
});

test("markFileBinds() looks for relative sources below the bundle", () => {
  const marked = markFileBinds(
    {
      ociVersion: "1.2.0",
      mounts: [
        { destination: "/a", source: "null", options: ["rbind"] },
        { destination: "/b", source: "shm/..", options: ["bind"] },
        { destination: "/c", source: "no-such-thing", options: ["bind"] },
        { destination: "/d", source: "null", type: "tmpfs" },
      ],
    },
    "/dev",
  );
  expect(marked.mounts?.map(({ gantryFile }) => gantryFile)).toEqual([true, false, undefined, undefined]);
});
