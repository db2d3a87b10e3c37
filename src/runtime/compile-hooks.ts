/** Hooks, and the documents by which hooks and seccomp agents are told of the container. runtime-spec: runtime.md "State" */
import { fail } from "../base/errors.ts";
import { invalid } from "../specs/oci-runtime/refusal.ts";
import { type Hook, type HookPoint, OCI_VERSION, type Spec } from "../specs/oci-runtime/spec.ts";
import { HOOK_STAGE, type HookOp, type HooksOp } from "./plan.ts";

export interface ContainerName {
  readonly spec: Spec;
  readonly taskId: string;
  /** Absolute. */
  readonly bundle: string | undefined;
}

type Status = "creating" | "created" | "running" | "stopped";

/** In the order in which they run. */
const POINTS: readonly (readonly [point: HookPoint, stage: number, status: Status])[] = [
  ["prestart", HOOK_STAGE.runtime, "creating"],
  ["createRuntime", HOOK_STAGE.runtime, "creating"],
  ["createContainer", HOOK_STAGE.container, "creating"],
  ["startContainer", HOOK_STAGE.start, "created"],
  ["poststart", HOOK_STAGE.poststart, "running"],
  ["poststop", HOOK_STAGE.poststop, "stopped"],
];

export function hookSteps(container: ContainerName): HookOp[] {
  const { hooks = {}, process } = container.spec;
  return POINTS.flatMap(([point, stage, status]) =>
    (hooks[point] ?? []).map((hook, index): HookOp => {
      const { args = [], env, timeout = 0 } = hook;
      checkHookEnv(hook, `hooks.${point}[${index}]`);
      const [stateHead, stateTail] = stateAround(container, status);
      return {
        kind: "hook",
        stage,
        path: hook.path,
        argv: args.length === 0 ? [hook.path] : args,
        // As with runc a hook inside the container finds the container's environment unless it has its own.
        env: env ?? (point === "startContainer" ? (process?.env ?? []) : []),
        timeoutS: timeout,
        stateHead,
        stateTail,
      };
    }),
  );
}

function checkHookEnv({ env = [] }: Hook, path: string): void {
  for (const [index, entry] of env.entries())
    if (entry.indexOf("=") < 1) throw invalid(`${path}.env[${index}]`, 'has no name and "="');
}

/** The place of one stage's hooks, if there are any. */
export function hooksPlace(spec: Spec, stage: number): HooksOp[] {
  const isUsed = POINTS.some(([point, of]) => of === stage && (spec.hooks?.[point] ?? []).length > 0);
  return isUsed ? [{ kind: "hooks", stage }] : [];
}

// ---- documents with a hole for the pid, which is known when the process exists ----

/** The state document up to its pid, and what follows. */
function stateAround(
  { spec, taskId, bundle }: ContainerName,
  status: Status,
): readonly [head: string, tail: string] {
  if (bundle === undefined)
    throw fail(
      "internal",
      "hooks and seccomp agents are told the bundle's path, which the caller did not give",
    );
  const head = { ociVersion: OCI_VERSION, id: taskId, status };
  const tail = { bundle, annotations: spec.annotations ?? {} };
  return [`${JSON.stringify(head).slice(0, -1)},"pid":`, `,${JSON.stringify(tail).slice(1)}`];
}

/** The container process state of a seccomp agent, cut where its two pids go. config-linux.md */
export function agentStateParts(
  container: ContainerName,
  metadata: string | undefined,
  status: "created" | "running",
): string[] {
  const head = { ociVersion: OCI_VERSION, fds: ["seccompFd"] };
  const inner = metadata === undefined ? "" : `"metadata":${JSON.stringify(metadata)},`;
  const [stateHead, stateTail] = stateAround(container, status);
  return [`${JSON.stringify(head).slice(0, -1)},"pid":`, `,${inner}"state":${stateHead}`, `${stateTail}}`];
}
