import { expect, test } from "bun:test";
import { messageOf } from "../../base/errors.ts";
import { MOUNT_ATTR } from "../../linux/mount-options.ts";
import type { VolumeOptions } from "./driver.ts";
import { checkLocalOptions, hostOf, mountOf, withAddress } from "./local-options.ts";

test("type, device and o are a mount as mount(8) would make it", () => {
  expect(mountOf({ type: "tmpfs", device: "tmpfs", o: "size=100m,uid=1000,nosuid,ro" })).toEqual({
    type: "tmpfs",
    source: "tmpfs",
    attrSet: MOUNT_ATTR.nosuid | MOUNT_ATTR.rdonly,
    attrClr: 0n,
    propagation: 0n,
    options: ["size=100m", "uid=1000"],
  });
  expect(mountOf({ type: "none", device: "/srv/data", o: "bind,ro" })).toMatchObject({
    type: "bind",
    source: "/srv/data",
    attrSet: MOUNT_ATTR.rdonly,
    options: [],
  });
  expect(mountOf({ type: "none", device: "/srv/data", o: "rbind" }).type).toBe("rbind");
  expect(mountOf({ type: "ext4", device: "/dev/sdb1", o: "ro" }).options).toEqual(["ro"]);
});

test("options that are none, or lack others, are refused in Docker's words", () => {
  const refused: readonly (readonly [VolumeOptions, string])[] = [
    [{ foo: "bar" }, 'invalid option: "foo"'],
    [{ type: "tmpfs" }, 'missing required option: "device"'],
    [{ device: "/x" }, 'missing required option: "type"'],
    [{ o: "x" }, 'missing required option: "device"'],
    [{ size: "10m" }, "quota size requested but no quota support"],
    [{ type: "tmpfs", device: "", o: "" }, "missing device in volume options"],
    [
      { type: "cifs", device: "//server:445/share", o: "" },
      "port not allowed in CIFS device URL, include 'port' in 'o='",
    ],
  ];
  for (const [options, message] of refused)
    expect(() => checkLocalOptions(options), JSON.stringify(options)).toThrow(message);
  checkLocalOptions({ size: "0" });
});

test("mount options that cannot be done are refused by name", () => {
  const refusal = (o: string, type = "tmpfs", device = "/x"): string => {
    try {
      mountOf({ type, device, o });
      return "taken";
    } catch (error) {
      return messageOf(error);
    }
  };
  expect(refusal("remount")).toBe('mount option "remount" is not supported for volumes');
  expect(refusal("rro,nosuid")).toBe('mount option "rro" is not supported for volumes');
  expect(refusal("ridmap")).toBe('mount option "ridmap" is not supported for volumes');
  expect(refusal("tmpcopyup")).toBe('mount option "tmpcopyup" is not supported for volumes');
  expect(refusal("=x")).toBe('mount option "=x" is not supported for volumes');
  expect(refusal("bind,size=1m", "none")).toBe('mount option "size=1m" is not one of a bind mount');
  expect(refusal("bind", "none", "../x")).toBe('device "../x" of a bind mount is not an absolute path');
  expect(refusal("size=1m\0")).toContain("NUL");
});

test("a server's name becomes an address, because the kernel takes no other", () => {
  const nfs = mountOf({ type: "nfs", device: ":/export", o: "addr=server.example,rw,nfsvers=4" });
  expect(hostOf(nfs)).toBe("server.example");
  expect(withAddress(nfs, "server.example", "192.0.2.7").options).toEqual(["addr=192.0.2.7", "nfsvers=4"]);
  expect(hostOf(mountOf({ type: "nfs", device: ":/x", o: "addr=192.0.2.1" }))).toBeUndefined();
  const cifs = mountOf({ type: "cifs", device: "//server.example/share", o: "username=u" });
  expect(hostOf(cifs)).toBe("server.example");
  expect(withAddress(cifs, "server.example", "192.0.2.7").source).toBe("//192.0.2.7/share");
  expect(hostOf(mountOf({ type: "tmpfs", device: "x", o: "addr=y" }))).toBeUndefined();
});
