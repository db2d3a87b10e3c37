/** Resources of an update. Pure. */
import { fail } from "../../base/errors.ts";
import type { Resources } from "../../specs/engine/container.ts";

/** Clients send all of them, with zero for what is to stay. Throws `not_implemented`. */
export function refuseResources(resources: Resources): void {
  for (const [name, value] of Object.entries(resources))
    if (isWish(value)) throw fail("not_implemented", `"${name}" cannot be updated by this engine yet`);
}

function isWish(value: Resources[keyof Resources]): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return value !== null && value !== 0 && value !== "" && value !== false;
}
