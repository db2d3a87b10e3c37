import { expect, test } from "bun:test";
import { hostConfig } from "../testing/host-config.ts";
import { atCreation, atStart, NO_DEFAULTS } from "./container-defaults.ts";

const nofile = { Name: "nofile", Soft: 1, Hard: 2 };
const nproc = { Name: "nproc", Soft: 3, Hard: 4 };

test("without defaults a container is what it says", () => {
  const host = hostConfig({ Ulimits: [nofile], SecurityOpt: ["apparmor=x"], Init: true });
  expect(atStart(host, NO_DEFAULTS)).toEqual(host);
});

test("limits are added by name, the container's own count", () => {
  const defaults = { ...NO_DEFAULTS, ulimits: [{ ...nofile, Soft: 0 }, nproc] };
  expect(atStart(hostConfig({ Ulimits: [nofile] }), defaults).Ulimits).toEqual([nofile, nproc]);
  expect(atStart(hostConfig({}), defaults).Ulimits).toEqual([{ ...nofile, Soft: 0 }, nproc]);
});

test("security options come first, so that a container's own take their place", () => {
  const defaults = { ...NO_DEFAULTS, noNewPrivileges: true, seccomp: "unconfined" };
  const own = ["no-new-privileges=false"];
  expect(atStart(hostConfig({ SecurityOpt: own }), defaults).SecurityOpt).toEqual([
    "no-new-privileges",
    "seccomp=unconfined",
    ...own,
  ]);
  expect(atStart(hostConfig({ Privileged: true }), defaults).SecurityOpt).toEqual(["no-new-privileges"]);
});

test("a container that says no has no init, and one below a cgroup of its own stays there", () => {
  const defaults = { ...NO_DEFAULTS, init: true, cgroupParent: "/all" };
  expect(atStart(hostConfig({}), defaults)).toMatchObject({ Init: true, CgroupParent: "/all" });
  expect(atStart(hostConfig({ Init: false, CgroupParent: "/own" }), defaults)).toMatchObject({
    Init: false,
    CgroupParent: "/own",
  });
});

test("modes and the size of shared memory are kept with the container", () => {
  const defaults = {
    ...NO_DEFAULTS,
    ipcMode: "shareable",
    cgroupnsMode: "private",
    shmSizeBytes: 7,
  } as const;
  const kept = { IpcMode: "shareable", CgroupnsMode: "private", ShmSize: 7 };
  expect(atCreation(hostConfig({}), 1, defaults)).toEqual(kept);
  expect(atCreation(hostConfig({ Privileged: true }), 2, defaults)).toEqual(kept);
  expect(atCreation(hostConfig({ Privileged: true }), 1, defaults)).toEqual({ ...kept, CgroupnsMode: "" });
  const own = { IpcMode: "none", CgroupnsMode: "host", ShmSize: 1 };
  expect(atCreation(hostConfig(own), 2, defaults)).toEqual(own);
});
