/**
 * `restore`: makes what `create` makes, state directory and cgroups, and becomes the C program, which runs criu(8) in the
 * container's cgroups and takes the process that it brings back for its own. Nothing of the plan is performed but the
 * cgroups' part: everything else is in the images. docs/decisions/0005
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../base/errors.ts";
import { readyCgroupParents } from "../linux/cgroup-parents.ts";
import { cgroupDirs } from "../linux/cgroup-paths.ts";
import { cgroupPathOf } from "../runtime/compile-cgroup.ts";
import { encodePlan } from "../runtime/plan-codec.ts";
import { HOOK_STAGE, type Plan, type PlanOp } from "../runtime/plan.ts";
import type { Spec } from "../specs/oci-runtime/spec.ts";
import { checkContainerId } from "./container-id.ts";
import { directoryOf, refuseTakenId, release, reserve } from "./container.ts";
import type { Context } from "./context.ts";
import { DEFAULT_CONFIG, RESTORE_LOG, inheritedNamespaces, restoreWords } from "./criu.ts";
import { criuPlaces, readStreams } from "./criu-files.ts";
import type { Flags } from "./flags.ts";
import { becomePerformer } from "./performer.ts";
import { compileStart, recordOf, refuseUsedCgroups } from "./start-container.ts";

/** The caller becomes the C program. Throws when there is nothing that could have been left behind. */
export function restoreContainer(context: Context, flags: Flags, id: string): number {
  checkContainerId(id);
  if (context.systemdCgroup)
    throw fail(
      "not_implemented",
      "--systemd-cgroup is not supported by restore: the cgroups are made without systemd",
    );
  refuseTakenId(context.root, id, context.caller.identity());
  // What systemd hands down is for a process that has not begun.
  const compiled = compileStart({ ...context, environment: {} }, flags, id);
  const { bundle, plan, facts } = compiled;
  refuseUnrestorable(bundle.spec);
  const places = criuPlaces(context, flags, false);
  const cgroupPath = cgroupPathOf(bundle.spec, id);
  const directory = directoryOf(context.root, id);
  const words = restoreWords(flags, {
    ...places,
    spec: bundle.spec,
    ops: plan.ops,
    cgroups: cgroupDirs(facts.cgroup, cgroupPath),
    cgroupPath,
    hasDefaultConfig: existsSync(DEFAULT_CONFIG),
    root: join(directory, "rootfs"),
    pidFile: join(directory, "restored"),
    streams: readStreams(places.images),
  });
  const record = recordOf(compiled, context.caller);
  refuseUsedCgroups(record.cgroupDirs);
  readyCgroupParents(facts.cgroup, cgroupPath);
  const bytes = encodePlan(criuPlan(plan, words, context.environment["PATH"] ?? ""));
  const namespaces = new Map(inheritedNamespaces(bundle.spec).map(({ short, path }) => [short, path]));
  // What is quoted from it shall not be an earlier one's.
  const log = join(places.work, RESTORE_LOG);
  rmSync(log, { force: true });
  const state = reserve(context.root, id, record);
  try {
    return becomePerformer(context, {
      verb: "restore",
      state,
      plan: bytes,
      detach: flags.isOn("detach"),
      keep: flags.isOn("keep"),
      subreaper: !flags.isOn("detach") && !flags.isOn("no-subreaper"),
      pidFile: flags.text("pid-file"),
      rootfs: bundle.rootfs,
      criuLog: log,
      network: namespaces.get("net") ?? "",
      pids: namespaces.get("pid") ?? "",
    });
  } catch (error) {
    release(context.root, id, record.creator);
    throw error;
  }
}

function refuseUnrestorable({ process, hooks = {} }: Spec): void {
  if (process?.terminal === true)
    throw fail("not_implemented", "a container with a terminal cannot be restored");
  for (const point of ["prestart", "createRuntime"] as const)
    if ((hooks[point] ?? []).length > 0)
      throw fail("not_implemented", `a container with ${point} hooks cannot be restored: they would not run`);
}

const CGROUP_STEPS: ReadonlySet<PlanOp["kind"]> = new Set([
  "cgroup-create",
  "cgroup-write",
  "cgroup-bpf",
  "cgroup-owner",
  "oom-file",
  "cgroup-join",
] as const);

/**
 * criu as the process, in the container's cgroups, with all the rights of this program. What it leaves in the cgroups when
 * it fails is killed, in whatever pid namespace that is.
 */
function criuPlan(start: Plan, words: readonly string[], searchPath: string): Plan {
  const steps = start.ops.filter(
    (op) => CGROUP_STEPS.has(op.kind) || (op.kind === "hook" && op.stage === HOOK_STAGE.poststop),
  );
  return {
    cloneFlags: 0,
    join: false,
    terminal: false,
    hostPid: true,
    ops: [
      ...steps,
      { kind: "umask", mask: 0o077 },
      { kind: "exec", argv: ["criu", ...words], env: [`PATH=${searchPath}`], searchPath },
    ],
  };
}
