/** What this host's kernel can do for containers with users of their own, found out by starting one. */
import { chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fail, messageOf } from "../../base/errors.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import { type Tasks, TaskStartError } from "../../core/tasks/tasks.ts";
import type { Spec } from "../../specs/oci-runtime/spec.ts";
import { type IdMaps, ownerOf } from "./user-namespace.ts";

export interface ProbeDeps {
  readonly tasks: Pick<Tasks, "run">;
  readonly snapshots: Pick<Snapshotter, "makeScratch">;
}

/** A leftover of it is a task that no container has: cleared away like every one of these. */
const PROBE_ID = "userns-probe";
const DEADLINE_MS = 20_000;

export type LayerIds =
  /** The kernel maps the ids of layers: all containers share them. */
  | { readonly kind: "mapped" }
  /** It cannot, for this reason. */
  | { readonly kind: "fixed"; readonly reason: string };

/** Throws `unavailable` when no container can be started in a user namespace at all. */
export async function probeLayerIds(deps: ProbeDeps, maps: IdMaps): Promise<LayerIds> {
  const reason = await tryStart(deps, maps, true);
  if (reason === undefined) return { kind: "mapped" };
  const worse = await tryStart(deps, maps, false);
  if (worse !== undefined)
    throw fail(
      "unavailable",
      `userns-remap: this host cannot start a container with users of its own: ${worse}`,
    );
  return { kind: "fixed", reason };
}

/**
 * Starts a container whose root is empty. Undefined when everything was set up and only the program was not found, else
 * the step that failed.
 */
async function tryStart(deps: ProbeDeps, maps: IdMaps, idmapped: boolean): Promise<string | undefined> {
  const { uid, gid } = ownerOf(maps);
  const scratch = deps.snapshots.makeScratch();
  try {
    const lower = makeDirectory(scratch.directory, "lower");
    const upper = makeDirectory(scratch.directory, "upper");
    const work = makeDirectory(scratch.directory, "work");
    // Without a mapping the container's root would have no say in its own root directory.
    if (!idmapped) chownSync(upper, uid, gid);
    await deps.tasks.run(
      {
        id: PROBE_ID,
        spec: probeSpec(maps),
        rootfs: { kind: "overlay", lowers: [lower], upper, work, idmapped },
        log: undefined,
        stdin: false,
        stdinOnce: false,
        consoleSize: { rows: 0, cols: 0 },
        init: false,
        runtime: undefined,
        attach: [],
      },
      AbortSignal.timeout(DEADLINE_MS),
    );
  } catch (error) {
    if (error instanceof TaskStartError) return error.stage === "exec" ? undefined : error.message;
    throw fail("unavailable", `userns-remap: cannot try a container: ${messageOf(error)}`, error);
  } finally {
    scratch.discard();
  }
  throw fail("internal", "userns-remap: an empty container has started");
}

function makeDirectory(parent: string, name: string): string {
  const path = join(parent, name);
  mkdirSync(path);
  return path;
}

function probeSpec(maps: IdMaps): Spec {
  return {
    ociVersion: "1.2.0",
    process: { user: { uid: 0, gid: 0 }, args: ["/nothing"], cwd: "/" },
    root: { path: "rootfs" },
    linux: {
      namespaces: [{ type: "mount" }, { type: "user" }, { type: "pid" }],
      ...maps,
      cgroupsPath: `/gantry/${PROBE_ID}`,
    },
  };
}
