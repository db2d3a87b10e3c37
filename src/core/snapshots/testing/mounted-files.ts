/** The files of snapshots as a container sees them: mounted, in a mount namespace of one short command. Needs root. */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import type { SnapshotFiles } from "../snapshotter.suite.ts";
import type { RootfsMount } from "../snapshotter.ts";

export const mountedFiles: SnapshotFiles = {
  read: (mount, name) => {
    const { status, stdout } = inside(mount, 'cat "root/$1"', name);
    return status === 0 ? stdout : undefined;
  },
  write: (mount, name, text) => {
    const { status, stderr } = inside(mount, 'printf %s "$2" > "root/$1"', name, text);
    if (status !== 0) throw new Error(stderr);
  },
  rootMode: (mount) => statSync(mount.kind === "bind" ? mount.source : mount.upper).mode & 0o7777,
};

/** Runs a script of the shell in a directory where `root` is the mounted root. Status 99: it could not be mounted. */
export function inside(
  mount: RootfsMount,
  script: string,
  ...args: readonly string[]
): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const steps = [
    "set -e",
    "mount -t tmpfs none /mnt",
    "cd /mnt",
    "mkdir root",
    `{ ${mountSteps(mount)}; } || exit 99`,
  ];
  return spawnSync("unshare", ["-m", "sh", "-c", [...steps, script].join("\n"), "sh", ...args], {
    encoding: "utf8",
  });
}

function mountSteps(mount: RootfsMount): string {
  if (mount.kind === "bind") return `mount --bind ${mount.source} root`;
  const layers = mount.lowers.map((path, i) => `l${mount.lowers.length - i}:${path}`);
  const attach = layers.map((layer) => {
    const [name = "", path = ""] = layer.split(":");
    const how = statSync(path).isFile() ? "-t erofs -o ro" : "--bind";
    // mount(8) takes a loop device for an image, which goes with the mount.
    return `mkdir ${name} && mount ${how} ${path} ${name}`;
  });
  const lowers = layers.map((layer) => layer.split(":")[0]).join(":");
  const options = `lowerdir=${lowers},upperdir=${mount.upper},workdir=${mount.work},index=off`;
  return [...attach, `mount -t overlay none -o ${options} root`].join(" && ");
}
