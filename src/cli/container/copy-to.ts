/** Files into a container: of this host's, or an archive from standard input. */
import { standardInput } from "../../base/bun-stdio.ts";
import type { EngineClient } from "../../client/engine-client.ts";
import { ResponseError } from "../../client/response-error.ts";
import type { Cli } from "../cli.ts";
import { Exit } from "../exit.ts";
import { type CopyWish, refuseCollision, refuseSeveral } from "./copy-wish.ts";
import { collision, type CopyTarget, planCopy } from "./copy-path.ts";
import type { CopyProgress } from "./copy-progress.ts";
import { absoluteHere, localSource, packLocal } from "./local-files.ts";
import { archivePath, isRemoteDevice, isRemoteDirectory, isRemoteLink, statRemote } from "./path-stat.ts";

export async function copyTo(cli: Cli, wish: CopyWish, progress: CopyProgress): Promise<void> {
  const engine = await cli.engine();
  const target = await remoteTarget(engine, wish);
  const [first = ""] = wish.sources;
  if (first === "-") {
    if (target.kind !== "directory")
      throw new Exit(1, `destination "${wish.container}:${wish.target}" must be a directory`);
    await upload(engine, wish, target.path, standardInput());
    return;
  }
  const sources = wish.sources.map((path) => absoluteHere(cli.invocation.workingDirectory, path));
  if (sources.length > 1) {
    refuseSeveral(`${wish.container}:${wish.target}`, target.kind === "directory");
    refuseCollision(collision(sources));
  }
  for (const source of sources) await copyOne(cli, engine, { wish, source, target }, progress);
}

/** A link is followed. What cannot be looked at may still be made: the engine will say. */
async function remoteTarget(engine: EngineClient, wish: CopyWish): Promise<CopyTarget> {
  const { container } = wish;
  let path = wish.target;
  try {
    let found = await statRemote(engine, container, path);
    if (isRemoteLink(found)) {
      path = found.linkTarget;
      found = await statRemote(engine, container, path);
    }
    if (isRemoteDevice(found))
      throw new Exit(
        1,
        `destination "${container}:${wish.target}" must be a directory or a regular file: got a device`,
      );
    return { path, kind: isRemoteDirectory(found) ? "directory" : "other" };
  } catch (error) {
    if (!(error instanceof ResponseError) || error.category === "unavailable") throw error;
    return { path, kind: "nothing" };
  }
}

async function copyOne(
  cli: Cli,
  engine: EngineClient,
  { wish, source, target }: { wish: CopyWish; source: string; target: CopyTarget },
  progress: CopyProgress,
): Promise<void> {
  const found = await localSource(source, wish.followsLinks);
  const plan = planCopy(found, target);
  if ("refused" in plan) throw new Exit(1, plan.refused);
  const shim = await cli.invocation.nativeShim();
  const tar = packLocal(shim, found.path, plan.name, new AbortController().signal);
  await upload(engine, wish, plan.directory, progress.counted("Copying to container - ", tar));
  await progress.done(`${wish.container}:${target.path}`);
}

async function upload(
  engine: EngineClient,
  { container, keepsOwners }: CopyWish,
  path: string,
  tar: AsyncIterable<Uint8Array>,
): Promise<void> {
  await engine.run({
    method: "PUT",
    path: archivePath(container),
    query: { path, noOverwriteDirNonDir: true, copyUIDGID: keepsOwners ? true : undefined },
    headers: new Map([["Content-Type", "application/x-tar"]]),
    upload: tar,
  });
}
