/** The fields that every entry of a container has in the journal. Pure. */
import type { LogFacts } from "./log-facts.ts";

const NAME_MAX = 64;

/**
 * The engine's own fields win over labels and variables, and so do those that the driver adds to each entry: an image must
 * not be able to speak in the engine's name.
 */
export function journalFields(
  facts: LogFacts,
  tag: string,
  attributes: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const given = [...attributes]
    .map(([key, value]) => [journalName(key), value] as const)
    .filter(([key]) => key !== "" && !isReserved(key));
  return new Map([
    ...given,
    ["CONTAINER_ID", facts.id.slice(0, 12)],
    ["CONTAINER_ID_FULL", facts.id],
    ["CONTAINER_NAME", facts.name],
    ["CONTAINER_TAG", tag],
    ["IMAGE_NAME", facts.imageName],
    ["SYSLOG_IDENTIFIER", tag],
  ]);
}

function isReserved(name: string): boolean {
  return ["MESSAGE", "PRIORITY", "SYSLOG_TIMESTAMP"].includes(name) || name.startsWith("CONTAINER_PARTIAL_");
}

/** Capital letters, digits and underscores, not beginning with an underscore: what the journal takes. */
function journalName(key: string): string {
  return key
    .replace(/[a-z]/g, (letter) => letter.toUpperCase())
    .replace(/[^A-Z0-9]/gu, "_")
    .replace(/^_+/, "")
    .slice(0, NAME_MAX);
}
