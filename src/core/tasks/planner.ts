/**
 * What the manager wants from the runtime: a container or an exec as an init plan, and what in it belongs to the task.
 * `runtime-planner.ts` implements it.
 */
import type { Spec } from "../../specs/oci-runtime/spec.ts";
import type { ExecOptions, RunOptions } from "./tasks.ts";

export interface EncodedPlan {
  readonly bytes: Uint8Array;
  /** Whether the plan's step with this number (1 = the first) is the execve of the program itself. */
  isExec(op: number): boolean;
  /** Whether it is a call of another runtime. */
  isCommand?(op: number): boolean;
}

export interface Planner {
  /** `staging`: an empty host directory that init attaches the root to. Throws `invalid_argument` for a bad spec. */
  run(options: RunOptions, staging: string): EncodedPlan;
  exec(id: string, spec: Spec, options: ExecOptions): EncodedPlan;
  /** The cgroup directories that belong to this task alone; everything in them may be killed. */
  cgroupDirs(id: string, spec: Spec): readonly string[];
  /** The unit of systemd's that the cgroup is; undefined: the plan makes it. */
  scope(id: string, spec: Spec): string | undefined;
  /** The spec as config.json, and back. `decodeSpec` throws `invalid_argument` for a damaged one. */
  encodeSpec(spec: Spec): string;
  decodeSpec(text: string): Spec;
}
