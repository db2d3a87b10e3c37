/** What volumes need of this host. */
import { lookup } from "node:dns/promises";
import type { VolumeHost } from "../core/volumes/local-driver.ts";
import { attachFileSystem, detachFileSystem } from "../linux/attach-file-system.ts";
import { fillVolume } from "../linux/fill-volume.ts";
import { mountedDirectories } from "../linux/mounted-directories.ts";
import type { Native } from "../linux/native.ts";

export function volumeHost(native: Native, shim: string): VolumeHost {
  return {
    removeTree: (path) => native.removeTree(path),
    treeUsage: (path, signal) => native.treeUsage(path, signal),
    syncFilesystem: (path) => native.syncFilesystem(path),
    fill: (source, to) => fillVolume(shim, source, to),
    attach: (mount, directory) => attachFileSystem(shim, mount, directory),
    detach: (directory) => detachFileSystem(shim, directory),
    mountedDirectories: () => mountedDirectories(),
    addressOf: async (host) => (await lookup(host)).address,
  };
}
