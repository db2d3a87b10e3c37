import { readHostFacts } from "../linux/host-facts.ts";
import { hookSteps } from "../runtime/compile-hooks.ts";
import { seccompSteps } from "../runtime/compile-seccomp.ts";
import { encodePlan } from "../runtime/plan-codec.ts";
import { HOOK_STAGE, type PlanOp } from "../runtime/plan.ts";
import { decodeSpec } from "../specs/oci-runtime/decode.ts";
import type { Spec } from "../specs/oci-runtime/spec.ts";
import type { Caller } from "./caller.ts";
import type { Container } from "./container.ts";

/** Whether `start` has something of its own to do, besides letting init go on. */
export function needsStartPlan(spec: Spec): boolean {
  return (spec.hooks?.poststart ?? []).length > 0 || hasAgent(spec);
}

/**
 * What `start` does, encoded: the hooks of the poststart stage, and where the filter's notification descriptor goes, which
 * init offers after the one that created it has gone.
 */
export function startPlan({ id, record }: Container, caller: Caller): Uint8Array {
  const spec = decodeSpec(record.config);
  const container = { spec, taskId: id, bundle: record.bundle };
  const hooks = hookSteps(container).filter(({ stage }) => stage === HOOK_STAGE.poststart);
  const agent = hasAgent(spec)
    ? seccompSteps(container, readHostFacts("", caller.pid, caller.kernel), "created")
    : [];
  const ops: PlanOp[] = [...hooks, ...agent];
  return encodePlan({ cloneFlags: 0, join: false, terminal: false, hostPid: false, ops });
}

function hasAgent(spec: Spec): boolean {
  return (spec.linux?.seccomp?.listenerPath ?? "") !== "";
}
