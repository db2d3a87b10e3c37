/** Where the files of a container are to who comes from outside, whether it runs or not. */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import type { RootfsMount, Snapshotter } from "../../core/snapshots/snapshotter.ts";
import type { Volumes } from "../../core/volumes/volumes.ts";
import type { ContainerTree, HostBind } from "../../linux/container-files.ts";
import type { HostPaths } from "../../linux/host-paths.ts";
import { idMapText } from "../../linux/id-maps.ts";
import type { IdMapping } from "../../linux/native.ts";
import type { Container } from "./container.ts";
import { containerPaths } from "./paths.ts";
import { showImage, type ShownTree, type TreesDeps } from "./mounted-images.ts";
import { type MountSources, resolveMounts } from "./resolve-mounts.ts";
import { idMapsOf, type Remap } from "./user-namespace.ts";

export interface ArchiveTreeDeps extends TreesDeps {
  readonly snapshots: Pick<Snapshotter, "mount">;
  readonly volumes: Pick<Volumes, "acquire" | "release">;
  readonly hostPaths: HostPaths;
  readonly containersDir: string;
  readonly remap: Remap | undefined;
}

export interface FoundTree {
  readonly tree: ContainerTree;
  /** What the owners of its files are on the disk, when they differ. */
  readonly ids: IdMapping | undefined;
  /** Gives back what had to be mounted: once somebody has the tree open, or gives up. */
  readonly letGo: () => Promise<void>;
}

/** Of a running one: its own mounts, whose files have the host's ids. */
export function runningTree(deps: ArchiveTreeDeps, container: Container, pid: number): FoundTree {
  return { tree: { kind: "process", pid }, ids: idsOf(deps, container), letGo: () => Promise.resolve() };
}

/** Of one that does not run: its layers, and what a start would mount. A tmpfs has nothing in it then. */
export async function stoppedTree(deps: ArchiveTreeDeps, container: Container): Promise<FoundTree> {
  const mount = deps.snapshots.mount(container.id);
  const owner = randomUUID();
  const acquired: string[] = [];
  const shown: ShownTree[] = [];
  const letGo = async (): Promise<void> => {
    for (const tree of shown) await tree.letGo();
    for (const name of acquired) await deps.volumes.release(name, owner);
  };
  try {
    const mounts = await mountsOf(deps, container, {
      acquire: async (name) => {
        const path = await deps.volumes.acquire(name, owner);
        acquired.push(name);
        return path;
      },
      show: async (image) => {
        const tree = await showImage(deps, image, deps.snapshots.mount(image.snapshot).shiftedBy);
        shown.push(tree);
        return tree.directory;
      },
    });
    const binds = [...ownFiles(deps, container), ...mounts];
    return {
      tree: { kind: "stopped", root: rootOf(mount), readOnly: container.host.ReadonlyRootfs, binds },
      ids: mount.shiftedBy === undefined ? undefined : idsOf(deps, container),
      letGo,
    };
  } catch (error) {
    await letGo();
    throw error;
  }
}

function idsOf({ remap }: ArchiveTreeDeps, { host }: Container): IdMapping | undefined {
  const maps = idMapsOf(host, remap);
  if (maps === undefined) return undefined;
  return { uid: idMapText(maps.uidMappings), gid: idMapText(maps.gidMappings) };
}

function rootOf(mount: RootfsMount): Extract<ContainerTree, { kind: "stopped" }>["root"] {
  if (mount.kind === "bind") return { directory: mount.source };
  return { layers: mount.lowers, upper: mount.upper, work: mount.work };
}

async function mountsOf(
  { hostPaths }: ArchiveTreeDeps,
  { mounts }: Container,
  sources: MountSources,
): Promise<readonly HostBind[]> {
  const resolved = mounts.length === 0 ? [] : await resolveMounts(hostPaths, mounts, sources);
  return resolved.flatMap((mount) => {
    if (mount.kind !== "bind") return [];
    const { source, destination, readOnly, beneath } = mount;
    return [{ source, destination, readOnly, beneath }];
  });
}

/** The files below /etc that the daemon keeps for it, once a start has written them, unless the user mounts his own. */
function ownFiles({ containersDir }: ArchiveTreeDeps, { id, mounts }: Container): readonly HostBind[] {
  const { resolvConf, hostname, hosts } = containerPaths(containersDir, id);
  const taken = new Set(mounts.map(({ mount }) => mount.destination));
  return [
    { source: resolvConf, destination: "/etc/resolv.conf" },
    { source: hostname, destination: "/etc/hostname" },
    { source: hosts, destination: "/etc/hosts" },
  ]
    .filter(({ source, destination }) => !taken.has(destination) && existsSync(source))
    .map((bind) => ({ ...bind, readOnly: false }));
}
