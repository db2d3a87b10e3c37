/** An image store in a temporary directory, on real metadata, content and snapshots. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Room } from "../../../base/disk-full.ts";
import { Logger } from "../../../base/log.ts";
import type { Content } from "../../content/content.ts";
import { openContent } from "../../content/local-store.ts";
import { MemoryLeases } from "../../metadata/memory-leases.ts";
import type { Metadata } from "../../metadata/metadata.ts";
import { openMetadata } from "../../metadata/sqlite-metadata.ts";
import { openOverlaySnapshots } from "../../snapshots/overlay.ts";
import type { Snapshotter } from "../../snapshots/snapshotter.ts";
import { DEFAULT_EXPANSION, type ExpansionLimits } from "../../unpack/expansion.ts";
import { openImages } from "../image-store.ts";
import type { Images } from "../images.ts";
import { PlainTrees } from "../../snapshots/testing/plain-native.ts";

export interface TestStore extends AsyncDisposable {
  readonly root: string;
  readonly native: PlainTrees;
  readonly metadata: Metadata;
  readonly content: Content;
  readonly snapshots: Snapshotter;
  readonly leases: MemoryLeases;
  readonly images: Images;
  readonly logged: string[];
  /** Ends this store without deleting anything, as a shutdown would. */
  close(): Promise<void>;
  /** What lies below the root beside the database and its log, sorted: the proof that nothing is left. */
  files(): string[];
}

export function newRoot(): string {
  return mkdtempSync(join(tmpdir(), "images-"));
}

export async function openStore(
  root = newRoot(),
  native = new PlainTrees(),
  expansion: ExpansionLimits = DEFAULT_EXPANSION,
  room?: Room,
): Promise<TestStore> {
  mkdirSync(root, { recursive: true });
  const logged: string[] = [];
  const log = new Logger((line) => logged.push(line), "warn");
  const metadata = openMetadata({
    path: join(root, "gantry.db"),
    onDamaged: (movedTo) => logged.push(`damaged ${movedTo}`),
  });
  const content = openContent(join(root, "content"), log);
  const snapshots = openOverlaySnapshots(join(root, "snapshots"), native, log);
  const leases = new MemoryLeases();
  const deps = {
    metadata,
    content,
    snapshots,
    leases,
    log,
    architecture: "amd64",
    expansion,
    maxDownloads: 3,
    maxUploads: 5,
    room,
  };
  const images = await openImages(deps);
  const close = async (): Promise<void> => {
    await snapshots.settled();
    metadata.close();
  };
  return {
    root,
    native,
    metadata,
    content,
    snapshots,
    leases,
    images,
    logged,
    close,
    files: () => filesBelow(root),
    [Symbol.asyncDispose]: async () => {
      await close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function filesBelow(root: string): string[] {
  const files: string[] = [];
  for (const name of ["content/ingest", "snapshots/staging", "snapshots/trash", "snapshots/active"])
    for (const entry of readdirSync(join(root, name))) files.push(`${name}/${entry}`);
  for (const name of ["content/blobs/sha256", "snapshots/layers"])
    for (const entry of readdirSync(join(root, name))) files.push(`${name}/${entry}`);
  return files.toSorted();
}
