/**
 * What others in a user's network may call a container: its name first, which is the answer to who has its address, then its
 * aliases, its id's short form and its host name. Each once.
 */
export function endpointNames(container: {
  readonly id: string;
  readonly name: string;
  readonly hostname: string;
  readonly aliases: readonly string[];
}): readonly string[] {
  const { id, name, hostname, aliases } = container;
  return [...new Set([name, ...aliases, id.slice(0, 12), hostname])].filter((each) => each !== "");
}
