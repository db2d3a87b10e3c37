import { fail } from "../base/errors.ts";

/**
 * `--cgroup [CONTROLLER[,CONTROLLER]:]PATH`: paths below the container's own cgroup by v1 controller, "" for every one that is not
 * named and for v2. What may stand in a path is the compiler's business.
 */
export function parseSubCgroups(given: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const each of given) {
    const at = each.indexOf(":");
    const path = each.slice(at + 1);
    for (const controller of at < 0 ? [""] : each.slice(0, at).split(",")) {
      if (found.has(controller))
        throw fail("invalid_argument", `--cgroup ${JSON.stringify(each)}: a controller is named twice`);
      found.set(controller, path);
    }
  }
  return found;
}
