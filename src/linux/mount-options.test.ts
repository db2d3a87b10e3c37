import { describe, expect, test } from "bun:test";
import { MOUNT_ATTR, parseMountOptions, PROPAGATION } from "./mount-options.ts";

const { rdonly, nosuid, nodev, noexec, noatime, strictatime, atimeMask, nodiratime, nosymfollow } =
  MOUNT_ATTR;

describe("parseMountOptions()", () => {
  test("sorts attributes from the file system's own options", () => {
    expect(parseMountOptions(["nosuid", "size=64m", "ro", "noexec", "mode=755", "sync"])).toEqual({
      bind: "no",
      attrs: { set: rdonly | nosuid | noexec, clr: 0n },
      recursiveAttrs: { set: 0n, clr: 0n },
      propagation: 0n,
      idmap: "no",
      copyUp: false,
      remount: false,
      superblock: ["sync"],
      data: ["size=64m", "mode=755"],
    });
  });

  test("keeps what every new file system takes apart, the later one of opposites", () => {
    expect(parseMountOptions(["sync", "dirsync", "lazytime", "async", "x=1"])).toMatchObject({
      superblock: ["dirsync", "lazytime", "async"],
      data: ["x=1"],
    });
  });

  test("knows the options that are none of the kernel's", () => {
    expect(parseMountOptions(["idmap", "tmpcopyup"])).toMatchObject({
      idmap: "idmap",
      copyUp: true,
      data: [],
    });
    expect(parseMountOptions(["ridmap", "remount"])).toMatchObject({
      idmap: "ridmap",
      remount: true,
      data: [],
    });
  });

  test.each<[string[], bigint, bigint]>([
    [["ro", "rw"], 0n, rdonly],
    [["rw", "ro"], rdonly, 0n],
    [["nodev", "dev", "suid", "exec"], 0n, nodev | nosuid | noexec],
    [["noatime"], noatime, atimeMask],
    [["noatime", "strictatime"], strictatime, atimeMask],
    [["strictatime", "relatime"], 0n, atimeMask],
    [["nodiratime", "nosymfollow"], nodiratime | nosymfollow, 0n],
    [["diratime", "symfollow"], 0n, nodiratime | nosymfollow],
  ])("lets the later one win in %j", (options, set, clr) => {
    expect(parseMountOptions(options).attrs).toEqual({ set, clr });
  });

  test("keeps recursive attributes apart", () => {
    const parsed = parseMountOptions(["rbind", "rro", "rnosuid", "rnoatime", "rw"]);
    expect(parsed.bind).toBe("rbind");
    expect(parsed.attrs).toEqual({ set: 0n, clr: rdonly });
    expect(parsed.recursiveAttrs).toEqual({ set: rdonly | nosuid | noatime, clr: atimeMask });
  });

  test("does not take relatime for a recursive elatime", () => {
    expect(parseMountOptions(["relatime"]).recursiveAttrs).toEqual({ set: 0n, clr: 0n });
    expect(parseMountOptions(["rrelatime"]).recursiveAttrs).toEqual({ set: 0n, clr: atimeMask });
  });

  test.each<[string, bigint]>([
    ["private", PROPAGATION.private],
    ["rprivate", PROPAGATION.private | PROPAGATION.rec],
    ["slave", PROPAGATION.slave],
    ["rslave", PROPAGATION.slave | PROPAGATION.rec],
    ["shared", PROPAGATION.shared],
    ["rshared", PROPAGATION.shared | PROPAGATION.rec],
    ["unbindable", PROPAGATION.unbindable],
    ["runbindable", PROPAGATION.unbindable | PROPAGATION.rec],
  ])("knows the propagation %s", (option, propagation) => {
    expect(parseMountOptions(["shared", option]).propagation).toBe(propagation);
  });

  test("drops what is for mount(8) alone", () => {
    expect(parseMountOptions(["defaults", "noauto", "nofail", "silent", ""]).data).toEqual([]);
  });

  test.each(["copy-symlink", "dest-nofollow", "src-nofollow", "idmap=uids=0-1-2", "ridmap=0:1:2"])(
    "refuses %s by name",
    (option) => {
      expect(() => parseMountOptions([option])).toThrow(`"${option}"`);
    },
  );
});
