/** Files out of a container: into a directory of this host's, or as an archive to standard output. */
import type { EngineClient } from "../../client/engine-client.ts";
import { fieldsOf, list } from "../../client/fields.ts";
import type { HttpBody } from "../../client/http.ts";
import { ResponseError } from "../../client/response-error.ts";
import type { Cli } from "../cli.ts";
import { Exit } from "../exit.ts";
import { checkOutput } from "../output/to-file.ts";
import { type CopyWish, refuseCollision, refuseSeveral } from "./copy-wish.ts";
import { collision, followed, insideRoot, isPattern, planCopy, splitPath } from "./copy-path.ts";
import type { CopyProgress } from "./copy-progress.ts";
import { absoluteHere, localTarget, unpackLocal } from "./local-files.ts";
import { archivePath, isRemoteDirectory, isRemoteLink, remotePathOf, statRemote } from "./path-stat.ts";

export async function copyFrom(cli: Cli, wish: CopyWish, progress: CopyProgress): Promise<void> {
  const engine = await cli.engine();
  const sources = await expand(engine, wish);
  if (wish.target === "-") {
    const [source, ...others] = sources;
    if (source === undefined || others.length > 0)
      throw new Exit(1, "several sources cannot be one archive on standard output");
    await copyToOutput(cli, engine, wish, source);
    return;
  }
  const target = absoluteHere(cli.invocation.workingDirectory, wish.target);
  await checkOutput(target, "");
  if (sources.length > 1) {
    refuseSeveral(wish.target, (await localTarget(target)).kind === "directory");
    refuseCollision(collision(sources));
  }
  for (const source of sources) await copyOne(cli, engine, { ...wish, target }, source, progress);
}

/** Patterns become the paths that match, unless there is something of just that name. */
async function expand(engine: EngineClient, { container, sources }: CopyWish): Promise<readonly string[]> {
  const expanded: string[] = [];
  for (const source of sources) {
    if (!isPattern(source)) expanded.push(source);
    else expanded.push(...(await matches(engine, container, source)));
  }
  return expanded;
}

async function matches(engine: EngineClient, container: string, pattern: string): Promise<readonly string[]> {
  try {
    await statRemote(engine, container, pattern);
    return [pattern];
  } catch (error) {
    if (!(error instanceof ResponseError) || error.status !== 404) throw error;
  }
  const answer = await engine.json({
    method: "GET",
    path: `${archivePath(container)}/matches`,
    query: { path: pattern },
  });
  const paths = list(fieldsOf(answer), "Paths").filter((path) => typeof path === "string");
  if (paths.length === 0) throw new Exit(1, `no file in container ${container} matches "${pattern}"`);
  return paths;
}

/** The path to ask for, and the name that the copy has when links are followed. */
async function sourceOf(
  engine: EngineClient,
  { container, followsLinks }: CopyWish,
  path: string,
): Promise<{ readonly path: string; readonly rename: string }> {
  if (!followsLinks) return { path, rename: "" };
  const found = await statRemote(engine, container, path);
  return isRemoteLink(found) ? followed(path, found.linkTarget) : { path, rename: "" };
}

async function copyToOutput(cli: Cli, engine: EngineClient, wish: CopyWish, source: string): Promise<void> {
  const { path } = await sourceOf(engine, wish, source);
  const { body } = await engine.call({ method: "GET", path: archivePath(wish.container), query: { path } });
  for (let bytes = await body.read(); bytes !== undefined; bytes = await body.read())
    await cli.out.write(bytes);
}

async function copyOne(
  cli: Cli,
  engine: EngineClient,
  wish: CopyWish,
  given: string,
  progress: CopyProgress,
): Promise<void> {
  const { path, rename } = await sourceOf(engine, wish, given);
  const target = await localTarget(wish.target);
  const response = await engine.call({ method: "GET", path: archivePath(wish.container), query: { path } });
  const source = { path: insideRoot(path), rename, isDirectory: isRemoteDirectory(remotePathOf(response)) };
  const plan = planCopy(source, target);
  if ("refused" in plan) throw new Exit(1, plan.refused);
  const options = {
    from: splitPath(insideRoot(path)).name,
    to: plan.name,
    keepsOwners: wish.keepsOwners && cli.invocation.userId === 0,
  };
  const tar = progress.counted("Copying from container - ", chunksOf(response.body));
  const shim = await cli.invocation.nativeShim();
  await unpackLocal(shim, plan.directory, tar, options, new AbortController().signal);
  await progress.done(wish.target);
}

async function* chunksOf(body: HttpBody): AsyncGenerator<Uint8Array> {
  for (let bytes = await body.read(); bytes !== undefined; bytes = await body.read()) yield bytes;
}
