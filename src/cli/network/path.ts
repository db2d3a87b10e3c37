import { segment } from "../container/each.ts";
import { Exit } from "../exit.ts";

/** Where the API has a network; an empty name would be the list of all. */
export function networkPath(name: string): string {
  if (name.trim() === "") throw new Exit(1, "invalid network name or ID: value is empty");
  return `/networks/${segment(name)}`;
}
