import { hookSteps } from "../runtime/compile-hooks.ts";
import { encodePlan } from "../runtime/plan-codec.ts";
import { HOOK_STAGE } from "../runtime/plan.ts";
import { decodeSpec } from "../specs/oci-runtime/decode.ts";
import type { Container } from "./container.ts";

/** A plan that has the hooks of the poststart stage and nothing else, encoded. */
export function hooksPlan({ id, record }: Container): Uint8Array {
  const steps = hookSteps({ spec: decodeSpec(record.config), taskId: id, bundle: record.bundle });
  return encodePlan({
    cloneFlags: 0,
    join: false,
    terminal: false,
    hostPid: false,
    ops: steps.filter(({ stage }) => stage === HOOK_STAGE.poststart),
  });
}
