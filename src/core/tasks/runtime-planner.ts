/** Plans from the runtime's compiler, for this host. */
import { dirname } from "node:path";
import { cgroupDirs } from "../../linux/cgroup-paths.ts";
import { readyCgroupParents } from "../../linux/cgroup-parents.ts";
import { type HostFacts, readOwnMemberFiles } from "../../linux/host-facts.ts";
import { leavingScope } from "../../runtime/compile-cgroup.ts";
import { compile, compileExec } from "../../runtime/compile.ts";
import { encodePlan } from "../../runtime/plan-codec.ts";
import type { Plan } from "../../runtime/plan.ts";
import { decodeSpec } from "../../specs/oci-runtime/decode.ts";
import { encodeSpec } from "../../specs/oci-runtime/encode.ts";
import type { Process } from "../../specs/oci-runtime/spec.ts";
import type { EncodedPlan, Planner } from "./planner.ts";
import { placeOf, withCgroupPath } from "./scopes.ts";

export function runtimePlanner(facts: HostFacts): Planner {
  return {
    run: ({ id, spec: given, rootfs, init, consoleSize }, staging) => {
      const { path, scope } = placeOf(given, id);
      const spec = withCgroupPath(given, id);
      if (scope === undefined) readyCgroupParents(facts.cgroup, path);
      const sized =
        spec.process === undefined ? spec : { ...spec, process: withWindow(spec.process, consoleSize) };
      // The run directory is a bundle: with config.json, and the root at its place until init turns to it.
      const bundle = dirname(staging);
      const plan = compile({ spec: sized, rootfs, staging, taskId: id, facts, init, bundle });
      // Shims come from this process's cgroup.
      return encoded(scope === undefined ? plan : leavingScope(plan, readOwnMemberFiles()));
    },
    exec: (id, spec, { process, consoleSize }) =>
      encoded(
        compileExec({
          process: withWindow(process, consoleSize),
          spec: withCgroupPath(spec, id),
          taskId: id,
          facts,
        }),
      ),
    cgroupDirs: (id, spec) => cgroupDirs(facts.cgroup, placeOf(spec, id).path).map(({ dir }) => dir),
    scope: (id, spec) => placeOf(spec, id).scope?.unit,
    encodeSpec,
    decodeSpec,
  };
}

function encoded(plan: Plan): EncodedPlan {
  return { bytes: encodePlan(plan), isExec: (op) => plan.ops[op - 1]?.kind === "exec" };
}

/** The window that the client asked for, if it did, has the last word. */
function withWindow(
  process: Process,
  { rows, cols }: { readonly rows: number; readonly cols: number },
): Process {
  return rows > 0 && cols > 0 ? { ...process, consoleSize: { height: rows, width: cols } } : process;
}
