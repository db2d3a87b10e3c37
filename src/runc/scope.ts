/** A container's scope by systemd's manager: docs/decisions/0006-systemd-cgroups.md. Loaded for such containers alone. */
import { dirname } from "node:path";
import { fail } from "../base/errors.ts";
import { cgroupMembers } from "../linux/cgroup-now.ts";
import { readyCgroupParents } from "../linux/cgroup-parents.ts";
import { type HostFacts, readOwnMemberFiles } from "../linux/host-facts.ts";
import { defaultManager, type ManagerOptions } from "../linux/systemd-manager.ts";
import { startScope, stopScope, updateScope } from "../linux/systemd-scope.ts";
import type { LinuxResources } from "../specs/oci-runtime/resources.ts";
import { cgroupPathOf } from "../runtime/compile-cgroup.ts";
import type { Container } from "./container.ts";
import type { Placed } from "./cgroup-driver.ts";

/**
 * This process is the scope's first: the C program, which takes its place, goes back when the container's is there. Whoever
 * fails in between ends, and the scope with it. Throws `conflict` when the unit lives, `unavailable` when systemd does not
 * answer, or when there would be nothing to go back to.
 */
export async function enterScope(id: string, { spec, scope }: Placed, facts: HostFacts): Promise<void> {
  if (scope === undefined) return;
  refuseLonelyScope();
  await startScope(manager(), scope.unit, {
    id,
    slice: scope.slice,
    pids: [process.pid],
    cgroupVersion: facts.cgroup.version,
    resources: spec.linux?.resources ?? {},
  });
  // systemd has made the slices; controllers that it does not know are not passed down yet.
  readyCgroupParents(facts.cgroup, cgroupPathOf(spec, id));
}

/** A scope whose only process goes elsewhere, if but for a moment, is over. A service has its main process in mind. */
function refuseLonelyScope(): void {
  for (const dir of readOwnMemberFiles().map((file) => dirname(file)))
    if (dir.endsWith(".scope") && cgroupMembers([dir]).every((pid) => pid === process.pid))
      throw fail(
        "unavailable",
        `"${dir}" would end while its only process makes the container's scope: start that from a shell or a service`,
      );
}

/** Throws as `updateCgroup`, and `unavailable` when systemd does not answer. */
export async function updateScopeOf(
  { record }: Container,
  unit: string,
  resources: LinuxResources,
): Promise<void> {
  await updateScope(manager(), unit, record.cgroupDirs, resources);
}

/** To be called when its processes are gone: systemd would give them time. Missing is fine. */
export async function removeScope(unit: string): Promise<void> {
  await stopScope(manager(), unit);
}

function manager(): ManagerOptions {
  return defaultManager(process.geteuid?.() ?? 0);
}
