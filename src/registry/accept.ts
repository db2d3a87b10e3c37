/**
 * Which form of a manifest a client can take. Pure. As docker-registry: quality values do not count, and by digest a
 * client gets what it named whatever it says. Different from it: no Accept header, and a wildcard, mean "anything".
 */

/** More entries than that are not read. */
const MAX_ENTRIES = 100;

/** Undefined: anything. */
export type Accepted = ReadonlySet<string> | undefined;

export function parseAccept(header: string | undefined): Accepted {
  if (header === undefined || header.trim() === "") return undefined;
  const types = new Set<string>();
  for (const entry of header.split(",", MAX_ENTRIES)) {
    const type = (entry.split(";", 1)[0] ?? "").trim().toLowerCase();
    if (type === "*/*" || type === "application/*") return undefined;
    if (type !== "") types.add(type);
  }
  return types;
}

/**
 * `substitute`: a client that only knows Docker's single images gets that for linux/amd64 out of a list, which is what it
 * would have had before there were lists. Clients that know OCI's types never lacked one of them.
 */
export type Choice = "as is" | "substitute" | "refuse";

const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";

export function chooseForm(mediaType: string, accepted: Accepted): Choice {
  if (accepted === undefined || accepted.has(mediaType)) return "as is";
  return mediaType === DOCKER_LIST ? "substitute" : "refuse";
}
