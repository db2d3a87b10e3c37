/**
 * Options of local volumes: a device to mount (`type`, `device`, `o`), as mount(8) has them. What cannot be done is refused by
 * its name. Pure.
 */
import { isIP } from "node:net";
import { fail } from "../../base/errors.ts";
import type { FileSystemMount } from "../../linux/attach-file-system.ts";
import { changed, MOUNT_ATTR, type MountOptions, parseMountOptions } from "../../linux/mount-options.ts";
import type { VolumeOptions } from "./driver.ts";

const KEYS = ["type", "o", "device", "size"];

const NEEDS: readonly (readonly [option: string, needed: readonly string[]])[] = [
  ["device", ["type"]],
  ["type", ["device"]],
  ["o", ["device", "type"]],
];

/** Throws `invalid_argument` in Docker's words, or `not_implemented`. */
export function checkLocalOptions(options: VolumeOptions): void {
  for (const key of Object.keys(options))
    if (!KEYS.includes(key)) throw fail("invalid_argument", `invalid option: ${JSON.stringify(key)}`);
  const { size } = options;
  if (size !== undefined && !/^0+[a-zA-Z]*$/.test(size))
    throw fail("invalid_argument", "quota size requested but no quota support");
  for (const [option, needed] of NEEDS)
    for (const other of needed)
      if (options[option] !== undefined && options[other] === undefined)
        throw fail("invalid_argument", `missing required option: ${JSON.stringify(other)}`);
  if (needsMount(options)) mountOf(options);
}

export function needsMount({ device = "", type = "" }: VolumeOptions): boolean {
  return device !== "" || type !== "";
}

/** What to mount. Names of servers are still names (`hostOf`). */
export function mountOf({ device = "", type = "", o = "" }: VolumeOptions): FileSystemMount {
  if (device === "") throw fail("invalid_argument", "missing device in volume options");
  if (type === "cifs" && /^(?:[a-z]+:)?\/\/[^/]*:\d+(?:\/|$)/.test(device))
    throw fail("invalid_argument", "port not allowed in CIFS device URL, include 'port' in 'o='");
  if (`${device}${type}${o}`.includes("\0"))
    throw fail("invalid_argument", "a NUL byte is not allowed in options of a volume");
  const options = parseMountOptions(o === "" ? [] : o.split(","));
  refuseOthers(options, o);
  const { attrs, propagation, superblock, data } = options;
  const isBind = options.bind !== "no" || type === "bind";
  if (isBind) {
    checkBind(device, [...superblock, ...data]);
    const bind = options.bind === "rbind" ? "rbind" : "bind";
    return { type: bind, source: device, attrSet: attrs.set, attrClr: attrs.clr, propagation, options: [] };
  }
  const isReadOnly = (attrs.set & MOUNT_ATTR.rdonly) !== 0n;
  return {
    type,
    source: device,
    attrSet: attrs.set,
    attrClr: 0n,
    propagation,
    // A device that cannot be written to can only be opened like this.
    options: [...superblock, ...data, ...(isReadOnly && device.startsWith("/") ? ["ro"] : [])],
  };
}

function checkBind(source: string, options: readonly string[]): void {
  const [option] = options;
  if (option !== undefined)
    throw fail("invalid_argument", `mount option ${JSON.stringify(option)} is not one of a bind mount`);
  if (!source.startsWith("/"))
    throw fail(
      "invalid_argument",
      `device ${JSON.stringify(source)} of a bind mount is not an absolute path`,
    );
}

/** Options that other mounts have and these cannot. */
function refuseOthers(options: MountOptions, o: string): void {
  const { recursiveAttrs, idmap, copyUp, remount, data } = options;
  const { set, clr } = changed({ set: 0n, clr: 0n }, recursiveAttrs);
  const refused =
    set !== 0n || clr !== 0n
      ? (/(?:^|,)(r(?:ro|rw|no\w+|suid|dev|exec|atime))(?:,|$)/.exec(o)?.[1] ?? o)
      : idmap !== "no"
        ? idmap
        : copyUp
          ? "tmpcopyup"
          : remount
            ? "remount"
            : data.find((option) => !/^[^=]{1,63}(?:=|$)/.test(option));
  if (refused !== undefined)
    throw fail("not_implemented", `mount option "${refused}" is not supported for volumes`);
}

/** The name of a server in options or device that the kernel takes as an address only; undefined = there is none. */
export function hostOf(mount: FileSystemMount): string | undefined {
  if (mount.type !== "nfs" && mount.type !== "nfs4" && mount.type !== "cifs") return undefined;
  const address = mount.options.find((option) => option.startsWith("addr="))?.slice("addr=".length);
  const host = address ?? (mount.type === "cifs" ? cifsHost(mount.source) : undefined);
  return host === undefined || host === "" || isIP(host) !== 0 ? undefined : host;
}

function cifsHost(device: string): string | undefined {
  return /^(?:[a-z]+:)?\/\/([^/]+)/.exec(device)?.[1];
}

/** The same mount with the server's address in place of its name. */
export function withAddress(mount: FileSystemMount, host: string, address: string): FileSystemMount {
  const named = `addr=${host}`;
  if (mount.options.includes(named))
    return {
      ...mount,
      options: mount.options.map((option) => (option === named ? `addr=${address}` : option)),
    };
  return { ...mount, source: mount.source.replace(`//${host}`, () => `//${address}`) };
}
