/** The daemon's directories and the lock that makes it the only one on them. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../base/errors.ts";
import { lockForLife, pidIn } from "../linux/life-lock.ts";
import type { Native } from "../linux/native.ts";

export interface DaemonRoots {
  readonly dataRoot: string;
  readonly containers: string;
  readonly metadata: string;
  readonly content: string;
  readonly snapshots: string;
  readonly events: string;
  readonly volumes: string;
  readonly execRoot: string;
  readonly tasks: string;
}

/** What `system check` looks at: paths and the most that their modes may allow. */
export function statePaths(
  { dataRoot, containers, metadata, content, snapshots, events, volumes }: DaemonRoots,
  driver: string,
): readonly { readonly path: string; readonly mode: number }[] {
  const inContent = ["blobs", "ingest", "partial"].map((name) => join(content, name));
  const inSnapshots = ["layers", "staging", "active", "trash"].map((name) => join(snapshots, driver, name));
  return [
    { path: dataRoot, mode: 0o710 },
    { path: containers, mode: 0o710 },
    { path: metadata, mode: 0o600 },
    { path: volumes, mode: 0o701 },
    ...[events, ...inContent, ...inSnapshots].map((path) => ({ path, mode: 0o700 })),
  ];
}

/** Makes what is missing, with modes that let nobody but root in. Throws `conflict` when another daemon has the data. */
export async function openRoots(
  native: Pick<Native, "lockFile">,
  dataRoot: string,
  execRoot: string,
): Promise<DaemonRoots> {
  const roots: DaemonRoots = {
    dataRoot,
    containers: join(dataRoot, "containers"),
    metadata: join(dataRoot, "metadata.db"),
    content: join(dataRoot, "content"),
    snapshots: join(dataRoot, "snapshots"),
    events: join(dataRoot, "events"),
    volumes: join(dataRoot, "volumes"),
    execRoot,
    tasks: join(execRoot, "tasks"),
  };
  makeDirectory(dataRoot, 0o710);
  await takeLock(native, join(dataRoot, "lock"));
  makeDirectory(roots.containers, 0o710);
  makeDirectory(execRoot, 0o711);
  return roots;
}

/** Whatever the process's umask is. */
function makeDirectory(path: string, mode: number): void {
  if (mkdirSync(path, { recursive: true, mode }) !== undefined) chmodSync(path, mode);
}

async function takeLock(native: Pick<Native, "lockFile">, path: string): Promise<void> {
  if (!(await lockForLife(native, path, () => pidIn(readFileSync(path, "utf8")))))
    throw fail(
      "conflict",
      `another gantryd (process ${readFileSync(path, "utf8").trim() || "unknown"}) already uses this data root: "${path}" is locked`,
    );
  writeFileSync(path, `${process.pid}\n`);
}
