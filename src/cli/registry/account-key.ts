/**
 * Under which keys credentials are kept (`auths` of config.json). A key is a registry's host, Docker Hub's old address, or a
 * registry with the beginning of a path: the longest one that a repository begins with counts, so that one registry may have
 * several accounts:
 *
 *     "auths": { "registry.example": {…}, "registry.example/team": {…} }
 *
 * Pure.
 */
export const HUB_KEY = "https://index.docker.io/v1/";

const HUB_HOSTS: ReadonlySet<string> = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);

/** What "gantry login SERVER" keeps credentials under; "" = Docker Hub. */
export function keyOfServer(server: string): string {
  const bare = bareKey(server);
  return bare === "" || HUB_HOSTS.has(bare) ? HUB_KEY : bare;
}

/** Without scheme, API version and slash at the end: old files have whole URLs. */
function bareKey(key: string): string {
  return key
    .replace(/^https?:\/\//i, "")
    .replace(/\/+$/, "")
    .replace(/\/v[12]$/, "");
}

/** The same name for the spellings of one place: "docker.io/team", "https://registry.example/v2/". */
export function placeOfKey(key: string): string {
  const bare = bareKey(key);
  const slash = bare.indexOf("/");
  const host = slash === -1 ? bare : bare.slice(0, slash);
  const path = slash === -1 ? "" : bare.slice(slash);
  return `${HUB_HOSTS.has(host) ? "docker.io" : host}${path}`;
}

/** From "registry.example/team/app": itself and every prefix down to the host, the longest first. */
export function placesOf(repository: string): readonly string[] {
  const segments = repository.split("/");
  return segments.map((_, at) => segments.slice(0, segments.length - at).join("/"));
}
