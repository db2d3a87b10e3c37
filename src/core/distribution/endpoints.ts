/**
 * Which servers are asked for a repository, in which order. Pure.
 *
 * A mirror's URL is where its API begins: "https://mirror/" and "https://host/path/" have "v2/" below them, as with Docker's
 * `registry-mirrors`. One whose path begins with "/v2/" is a place within a registry ("https://harbor/v2/hub-proxy/"):
 * repositories are looked for below it.
 */
import type { Reference } from "../../specs/oci-image/reference.ts";
import type { Access } from "./distribution.ts";
import type { RegistryOptions } from "./registry-options.ts";

export interface Endpoint {
  /** Of "https:" or "http:"; no path, ends without "/". */
  readonly origin: string;
  /** What stands before the repository: "/v2/" or "/v2/hub-proxy/". */
  readonly apiPath: string;
  /** The repository's name at this endpoint: what its tokens are for. */
  readonly repository: string;
  readonly isMirror: boolean;
}

export const HUB_DOMAIN = "docker.io";
const HUB_HOST = "registry-1.docker.io";

/** The host that answers for a domain: they differ for Docker Hub alone. */
export function hostOfDomain(domain: string): string {
  return domain === HUB_DOMAIN || domain === "index.docker.io" ? HUB_HOST : domain;
}

/** `schemes` are those to try at the registry itself, in order. */
export function endpointsOf(
  reference: Reference,
  access: Access,
  options: Pick<RegistryOptions, "mirrors" | "hosts">,
  schemes: readonly ("https:" | "http:")[],
): readonly Endpoint[] {
  const { domain, path } = reference;
  const own = schemes.map((scheme) => ({
    origin: `${scheme}//${hostOfDomain(domain)}`,
    apiPath: "/v2/",
    repository: path,
    isMirror: false,
  }));
  if (access === "push") return own;
  const mirrors = options.hosts.get(domain)?.mirrors ?? (domain === HUB_DOMAIN ? options.mirrors : []);
  return [...mirrors.map((url) => mirrorEndpoint(new URL(url), path)), ...own];
}

function mirrorEndpoint(url: URL, path: string): Endpoint {
  const within = /^\/v2\/(.*)$/.exec(url.pathname)?.[1];
  return {
    origin: url.origin,
    apiPath: within === undefined ? `${url.pathname}v2/` : "/v2/",
    repository: within === undefined ? path : `${within}${path}`,
    isMirror: true,
  };
}

/** The URL of something in the repository: "manifests/latest". */
export function urlAt(endpoint: Endpoint, resource: string): URL {
  return new URL(`${endpoint.origin}${endpoint.apiPath}${endpoint.repository}/${resource}`);
}
