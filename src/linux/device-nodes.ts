/** The host's device nodes: for `--device`, for privileged containers, and for I/O limits. */
import { type BigIntStats, lstatSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, fail } from "../base/errors.ts";
import type { HostConfig } from "../specs/engine/container.ts";
import type { LinuxDevice } from "../specs/oci-runtime/spec.ts";

export interface ResolvedDevices {
  /** All nodes of the host, for a privileged container; else empty. */
  readonly all: readonly LinuxDevice[];
  /** Of `--device`, in its order. */
  readonly mapped: readonly { readonly node: LinuxDevice; readonly access: string }[];
  /** Path → number, of the block devices that I/O limits name. */
  readonly numbers: ReadonlyMap<string, DeviceNumber>;
}

export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

/** Directories below /dev whose nodes belong to one container or are none of devices. runc leaves out the same. */
const NOT_DEVICES: ReadonlySet<string> = new Set([
  "pts",
  "shm",
  "fd",
  "mqueue",
  ".lxc",
  ".lxd-mounts",
  ".udev",
]);

/** Looks at /dev as far as the configuration asks for it. Throws `invalid_argument`, worded as Docker's. */
export function resolveDevices(host: HostConfig, dev = "/dev"): ResolvedDevices {
  const limited = [
    ...(host.BlkioDeviceReadBps ?? []),
    ...(host.BlkioDeviceWriteBps ?? []),
    ...(host.BlkioDeviceReadIOps ?? []),
    ...(host.BlkioDeviceWriteIOps ?? []),
    ...(host.BlkioWeightDevice ?? []),
  ];
  return {
    all: host.Privileged ? nodesBelow(dev, "/dev") : [],
    mapped: (host.Devices ?? []).flatMap(({ PathOnHost, PathInContainer, CgroupPermissions }) =>
      mappedNodes(PathOnHost, PathInContainer).map((node) => ({ node, access: CgroupPermissions || "rwm" })),
    ),
    numbers: new Map(limited.map(({ Path }) => [Path, numberOf(Path)])),
  };
}

/** The node at `path`, as `as` in a container; undefined for what is none. Throws `invalid_argument` when nothing is there. */
export function hostNode(path: string, as: string): LinuxDevice | undefined {
  return nodeOf(statOf(path), as);
}

function mappedNodes(path: string, inContainer: string): LinuxDevice[] {
  const stat = statOf(path);
  const target = inContainer === "" ? path : inContainer;
  if (!target.startsWith("/")) throw unusable(path, `"${target}" is not an absolute path`);
  const node = nodeOf(stat, target);
  if (node !== undefined) return [node];
  const below = stat.isDirectory() ? nodesBelow(path, target) : [];
  if (below.length === 0) throw unusable(path, "not a device node");
  return below;
}

function statOf(path: string): BigIntStats {
  try {
    return statSync(path, { bigint: true });
  } catch (cause) {
    throw unusable(
      path,
      errnoOf(cause) === "ENOENT" ? "no such file or directory" : "cannot be looked at",
      cause,
    );
  }
}

function unusable(path: string, why: string, cause?: unknown): Error {
  return fail(
    "invalid_argument",
    `error gathering device information while adding custom device "${path}": ${why}`,
    cause,
  );
}

/** Links are not followed: their targets are found on their own. */
function nodesBelow(directory: string, as: string): LinuxDevice[] {
  const nodes: LinuxDevice[] = [];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const [path, target] = [join(directory, entry.name), join(as, entry.name)];
    if (entry.isDirectory()) {
      if (!NOT_DEVICES.has(entry.name)) nodes.push(...nodesBelow(path, target));
    } else if (entry.isCharacterDevice() || entry.isBlockDevice()) {
      const node = entry.name === "console" ? undefined : nodeOf(lstatOrGone(path), target);
      if (node !== undefined) nodes.push(node);
    }
  }
  return nodes;
}

/** Devices come and go while we look. */
function lstatOrGone(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true });
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function nodeOf(stat: BigIntStats | undefined, path: string): LinuxDevice | undefined {
  if (stat === undefined || !(stat.isCharacterDevice() || stat.isBlockDevice())) return undefined;
  return {
    path,
    type: stat.isBlockDevice() ? "b" : "c",
    ...split(stat.rdev),
    fileMode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
  };
}

function numberOf(path: string): DeviceNumber {
  let stat: BigIntStats;
  try {
    stat = statSync(path, { bigint: true });
  } catch (cause) {
    throw fail("invalid_argument", `cannot limit "${path}": no such device`, cause);
  }
  if (!stat.isBlockDevice()) throw fail("invalid_argument", `cannot limit "${path}": not a block device`);
  return split(stat.rdev);
}

/** makedev(3), glibc's layout of 64 bits. */
function split(rdev: bigint): DeviceNumber {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
  };
}
