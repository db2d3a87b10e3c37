/** A registry somewhere else as the upstream of a mirror: the one place that knows both sides. */
import { fail, isCategory } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Credentials, Repository } from "../core/distribution/distribution.ts";
import { openRegistries } from "../core/distribution/registries.ts";
import { checkMirror } from "../core/distribution/registry-options.ts";
import type { Upstream } from "../registry/upstream.ts";
import { registryOptions } from "./registry-settings.ts";

export interface UpstreamOptions {
  /** "https://registry.example" or, for one that may be reached without protection, "http://…". No path. */
  readonly url: string;
  readonly credentials: Credentials | undefined;
  /** For proxies and authorities, as the engine takes them from there. */
  readonly environment: ReadonlyMap<string, string>;
  readonly userAgent: string;
}

export interface OpenUpstream {
  readonly upstream: Upstream;
  /** Closes connections that are kept for later. */
  close(): void;
}

/** Throws `invalid_argument` for a URL that cannot be an upstream. */
export function openUpstream(options: UpstreamOptions, log: Logger): OpenUpstream {
  const url = new URL(checkMirror(options.url));
  if (url.pathname !== "/")
    throw fail(
      "invalid_argument",
      `a mirror needs the URL of a registry without a path, not "${options.url}"`,
    );
  const domain = url.host === "registry-1.docker.io" ? "docker.io" : url.host;
  const insecure = url.protocol === "http:" ? { "insecure-registries": [url.host] } : {};
  const settings = registryOptions(insecure, options.environment, options.userAgent);
  const registries = openRegistries(settings, log);
  const open: Opener = (path, tag, digest) =>
    registries.open({ domain, path, tag, digest }, options.credentials, "pull");
  return { upstream: upstreamOf(url.host, open), close: () => registries.close() };
}

type Opener = (path: string, tag?: string, digest?: string) => Repository;

function upstreamOf(name: string, open: Opener): Upstream {
  return {
    name,
    resolveTag: (repository, tag, signal) =>
      orMissing(async () => (await open(repository, tag).resolve(signal)).digest),
    manifest: (repository, reference, signal) =>
      orMissing(async () => {
        const isDigest = reference.includes(":");
        const source = isDigest ? open(repository, undefined, reference) : open(repository, reference);
        const target = isDigest ? await source.resolve(signal) : { tag: reference };
        const { bytes, descriptor } = await source.manifest(target, signal);
        return { bytes, mediaType: descriptor.mediaType };
      }),
    blob: (repository, blob, signal) => open(repository).blob(blob, { offset: 0, signal }),
    tags: (repository, signal) => orMissing(() => open(repository).tags(signal)),
  };
}

async function orMissing<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (isCategory(error, "not_found")) return undefined;
    throw error;
  }
}
