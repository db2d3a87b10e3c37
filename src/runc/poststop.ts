/** Hooks that run when a container is gone. Their failure is told and changes nothing: runtime-spec, "Lifecycle" step 13. */
import { messageOf } from "../base/errors.ts";
import { runHook } from "../base/hook-program.ts";
import { hookSteps } from "../runtime/compile-hooks.ts";
import { HOOK_STAGE } from "../runtime/plan.ts";
import { decodeSpec } from "../specs/oci-runtime/decode.ts";
import type { Container } from "./container.ts";
import type { Context } from "./context.ts";

/** In order, each after the one before it. */
export async function runPoststopHooks({ log }: Context, { id, record }: Container): Promise<void> {
  const steps = hookSteps({ spec: decodeSpec(record.config), taskId: id, bundle: record.bundle });
  for (const [index, hook] of steps.filter(({ stage }) => stage === HOOK_STAGE.poststop).entries()) {
    const { path, argv, env, timeoutS, stateHead, stateTail } = hook;
    try {
      // It has no process any more.
      await runHook({ path, argv, env, timeoutS, cwd: record.bundle, input: `${stateHead}0${stateTail}` });
    } catch (error) {
      log.warn(`poststop hook #${index}: ${messageOf(error)}`);
    }
  }
}
