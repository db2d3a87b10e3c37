/** User and group id mappings, as config.json has them and as /proc/PID/uid_map takes them. user_namespaces(7) */
import { fail } from "../base/errors.ts";
import type { IdMapping } from "../specs/oci-runtime/spec.ts";

/** The kernel's UID_GID_MAP_MAX_EXTENTS (since 4.15), and what one write to uid_map may have: less than a page. */
const MAX_LINES = 340;
const MAX_BYTES = 4095;
const ALL_IDS = 0x1_0000_0000;

/**
 * One line for each mapping: "CONTAINER HOST SIZE". Throws `invalid_argument` for what the kernel would answer with a
 * mere EINVAL: none at all, empty or overlapping ranges, ranges beyond the last id, too many.
 */
export function idMapText(mappings: readonly IdMapping[]): string {
  if (mappings.length === 0) throw fail("invalid_argument", "there is no mapping");
  if (mappings.length > MAX_LINES)
    throw fail("invalid_argument", `${mappings.length} mappings are more than the kernel's ${MAX_LINES}`);
  for (const { containerID, hostID, size } of mappings)
    if (size === 0 || containerID + size > ALL_IDS || hostID + size > ALL_IDS)
      throw fail(
        "invalid_argument",
        `the mapping of ${size} ids from ${containerID} to ${hostID} is empty or leads beyond the last id`,
      );
  refuseOverlap(mappings, "containerID");
  refuseOverlap(mappings, "hostID");
  const text = mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join("");
  if (text.length > MAX_BYTES)
    throw fail("invalid_argument", `${mappings.length} mappings are more text than the kernel takes at once`);
  return text;
}

function refuseOverlap(mappings: readonly IdMapping[], side: "containerID" | "hostID"): void {
  let end = 0;
  for (const mapping of mappings.toSorted((a, b) => a[side] - b[side])) {
    if (mapping[side] < end) throw fail("invalid_argument", `${side} ${mapping[side]} is mapped twice`);
    end = mapping[side] + mapping.size;
  }
}

/** Whether a container's id means anybody. */
export function isMapped(containerId: number, mappings: readonly IdMapping[]): boolean {
  return mappings.some(
    ({ containerID, size }) => containerId >= containerID && containerId - containerID < size,
  );
}
