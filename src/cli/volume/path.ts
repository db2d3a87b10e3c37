import { segment } from "../container/each.ts";
import { Exit } from "../exit.ts";

/** Where the API has a volume; an empty name would be the list of all. */
export function volumePath(name: string): string {
  if (name.trim() === "") throw new Exit(1, "invalid volume name: value is empty");
  return `/volumes/${segment(name)}`;
}
