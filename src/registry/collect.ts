/**
 * Garbage collection while the registry serves: mark and sweep, where the marks are the tables.
 *
 *     uploads      that got nothing for too long go
 *     untagged     manifests that nothing leads to go, if asked to
 *     links        to blobs that no manifest of the repository needs go, once they are older than the grace
 *     bytes        that no link and no manifest names, and no lease holds, go
 *
 * The grace is for clients that have sent their blobs, or asked whether they are there, and not yet pushed the manifest. Between the last question and the deletion
 * of a blob nothing else runs, so nobody can begin to need it in between; a download that is under way ends in order.
 *
 * On crash: each step leaves less garbage than before, and the next run finds the rest.
 */
import { setImmediate } from "node:timers/promises";
import type { Content } from "../core/content/content.ts";
import type { Leases } from "../core/metadata/leases.ts";
import type { Repositories } from "./repositories.ts";
import type { Uploads } from "./uploads.ts";

export interface CollectDeps {
  readonly content: Content;
  readonly leases: Leases;
  readonly repositories: Repositories;
  readonly uploads: Uploads;
  readonly now: () => number;
}

export interface CollectRules {
  /** How long what was pushed stays without being needed. */
  readonly graceMs: number;
  readonly untagged: "keep" | "delete";
}

export interface Collected {
  readonly uploads: number;
  readonly manifests: number;
  readonly links: number;
  readonly blobs: number;
  readonly bytes: number;
}

/** Blobs looked at between two pauses for others. */
const BATCH = 500;

export async function collectGarbage(
  deps: CollectDeps,
  rules: CollectRules,
  signal: AbortSignal,
): Promise<Collected> {
  const uploads = await deps.uploads.expire();
  const fromTables = await sweepTables(deps, rules, signal);
  const fromStore = await sweepBlobs(deps, signal);
  return { uploads, ...fromTables, ...fromStore };
}

async function sweepTables(
  { repositories, now }: CollectDeps,
  rules: CollectRules,
  signal: AbortSignal,
): Promise<Pick<Collected, "manifests" | "links">> {
  const before = now() - rules.graceMs;
  let manifests = 0;
  let links = 0;
  for (const repository of repositories.everyRepository()) {
    signal.throwIfAborted();
    if (rules.untagged === "delete")
      for (const digest of repositories.untagged(repository, before))
        if (repositories.deleteManifest(repository, digest)) manifests++;
    links += repositories.unlinkUnneeded(repository, before);
    repositories.forgetIfEmpty(repository);
    await setImmediate();
  }
  return { manifests, links };
}

async function sweepBlobs(
  { content, leases, repositories }: CollectDeps,
  signal: AbortSignal,
): Promise<Pick<Collected, "blobs" | "bytes">> {
  let blobs = 0;
  let bytes = 0;
  for (const [i, { digest, sizeBytes }] of content.list().entries()) {
    if (i % BATCH === BATCH - 1) await setImmediate();
    signal.throwIfAborted();
    if (leases.isBlobHeld(digest) || repositories.isNeeded(digest) || content.stat(digest) === undefined)
      continue;
    await content.delete(digest);
    blobs++;
    bytes += sizeBytes;
  }
  return { blobs, bytes };
}
