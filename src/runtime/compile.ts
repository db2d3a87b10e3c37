/**
 * OCI specification → init plan. Pure: what happens to the kernel is decided here and nowhere else, and every decision
 * can be read with `gantry-runc plan`. The C program performs the steps in the order in which they stand.
 *
 * The order, and why:
 *
 *     cgroups          limits are set before the first instruction; joined first so that all set-up work is accounted
 *     namespaces       opened, and the user namespace made, while the host's paths and rights are there; a cgroup
 *                      namespace takes the present membership as its root, so it is made after joining
 *     propagation      before the first mount, or it would show on the host
 *     root, mounts, devices            resolved below the root, before pivot_root
 *     hooks of the create stage        find all that, and still see the host
 *     read-only and masked paths, console
 *     pivot_root       from here on no host path can be reached
 *     names, network, sysctls          of the namespaces
 *     labels, limits, score, scheduling, keyring, working directory        need the full capabilities that come off next
 *     sync             "created": everything that can fail for reasons of the host has been done
 *     bounding set, user, seccomp, capabilities, hooks of the start stage, exec     (compile-process.ts)
 */
import type { RootfsMount } from "../core/snapshots/snapshotter.ts";
import { cpuMask } from "../linux/cpu-list.ts";
import { cgroupDirs } from "../linux/cgroup-paths.ts";
import type { HostFacts } from "../linux/host-facts.ts";
import { isLinkName } from "../linux/link-name.ts";
import { CLONE_NEW } from "../linux/namespaces.ts";
import { checkSysctl } from "../linux/sysctl.ts";
import { at, invalid, quoted } from "../specs/oci-runtime/refusal.ts";
import type { NamespaceType, Process, Spec } from "../specs/oci-runtime/spec.ts";
import { cgroupJoins, cgroupPathOf, cgroupSetup } from "./compile-cgroup.ts";
import { withContainerDefaults } from "./compile-exec-defaults.ts";
import { hooksPlace, hookSteps } from "./compile-hooks.ts";
import { mountIdmaps } from "./compile-idmaps.ts";
import { checkMappedIds, type Namespaces, readNamespaces, timeSteps } from "./compile-namespaces.ts";
import { consoleStep, identitySteps, resourceSteps } from "./compile-process.ts";
import { joinedRootSteps, rootSteps } from "./compile-root.ts";
import { seccompSteps } from "./compile-seccomp.ts";
import { type AffinityOp, type CgroupJoinOp, HOOK_STAGE, type Plan, type PlanOp } from "./plan.ts";

export interface CompileOptions {
  readonly spec: Spec;
  /** `idmapped`: the user namespace's ids are to be found on disk unshifted; every layer is mapped, the upper one, too. */
  readonly rootfs: RootfsMount & { readonly idmapped?: boolean };
  /** An empty host directory that the root is attached to, in the container's mount namespace, until pivot_root. */
  readonly staging: string;
  readonly taskId: string;
  readonly facts: HostFacts;
  /** PID 1 stays as a reaping, signal-forwarding process. */
  readonly init: boolean;
  /** Absolute. Hooks and seccomp agents are told of it, and relative sources of bind mounts are below it. */
  readonly bundle?: string;
  /** The program is looked for before "created": its absence then is create's failure, not start's. */
  readonly lookup?: boolean;
  /** Takes what the specification wants as warnings. Without it they are errors. */
  readonly warn?: (message: string) => void;
}

/**
 * The plan that starts a container. The cgroup's parents must be ready (`readyCgroupParents`).
 *
 * Throws `invalid_argument` for a specification that contradicts itself or is unsafe, `not_implemented` for a part of
 * the OCI specification that this runtime does not have; nothing is ever left out silently.
 */
export function compile(options: CompileOptions): Plan {
  const { spec, facts, taskId, bundle } = options;
  const process = processOf(spec);
  const namespaces = readNamespaces(spec);
  const idmaps = mountIdmaps(spec, namespaces);
  const container = { spec, taskId, bundle };
  checkMappedIds(spec, process);
  if (options.rootfs.idmapped === true && !namespaces.notHost.has("user"))
    throw invalid("linux.namespaces", "has no user namespace by which the root could be id-mapped");
  const ops: PlanOp[] = [
    ...cgroupSetup(spec, taskId, facts),
    ...namespaces.ops,
    ...idmaps.ops,
    ...hookSteps(container),
    ...netdevSteps(spec, namespaces),
    ...cgroupJoins(spec, taskId, facts),
    ...(namespaces.own.has("cgroup") ? [{ kind: "unshare", cloneFlags: CLONE_NEW.cgroup } as const] : []),
    ...timeSteps(spec, namespaces),
    ...(namespaces.joinsMount ? joinedRootSteps(spec) : rootSteps(options, idmaps.ids)),
    ...kernelSettings(spec, namespaces),
    ...resourceSteps({ process, personality: spec.linux?.personality, taskId, facts, createCwd: true }),
    { kind: "sync", lookup: options.lookup ?? false },
    ...identitySteps({
      process,
      seccomp: seccompSteps(container, facts, "created"),
      facts,
      hooks: hooksPlace(spec, HOOK_STAGE.start),
      init: options.init,
      warn: options.warn,
    }),
  ];
  return {
    cloneFlags: namespaces.cloneFlags,
    join: false,
    terminal: process.terminal ?? false,
    hostPid: !namespaces.own.has("pid"),
    ops,
  };
}

export interface CompileExecOptions {
  readonly process: Process;
  /** Of the running container: its cgroup and seccomp profile hold for the new process, too. */
  readonly spec: Spec;
  readonly taskId: string;
  readonly facts: HostFacts;
  /** As of `compile`. */
  readonly bundle?: string;
  readonly warn?: (message: string) => void;
  /**
   * Cgroups below the container's own, which exist: relative paths by v1 controller, "" for every one that is not named
   * and for v2.
   */
  readonly subCgroups?: ReadonlyMap<string, string>;
}

/**
 * The plan that starts one more process in a running container. What the process leaves open is as for the container's
 * first one. Throws like `compile`.
 */
export function compileExec(options: CompileExecOptions): Plan {
  const { spec, taskId, facts, bundle, warn } = options;
  const process = checkedProcess(withContainerDefaults(options.process, spec.process));
  const terminal = process.terminal ?? false;
  const { initial, final } = process.execCPUAffinity ?? {};
  checkMappedIds(spec, process);
  const ops: PlanOp[] = [
    ...affinitySteps("initial", initial),
    ...execCgroupJoins(options),
    ...affinitySteps("final", final),
    ...(terminal ? [consoleStep(process)] : []),
    ...resourceSteps({ process, personality: spec.linux?.personality, taskId, facts, createCwd: false }),
    ...identitySteps({
      process,
      seccomp: seccompSteps({ spec, taskId, bundle }, facts, "running"),
      facts,
      hooks: [],
      init: false,
      warn,
    }),
  ];
  return { cloneFlags: joinFlags(spec), join: true, terminal, hostPid: false, ops };
}

/** Every namespace that is not the host's. */
function joinFlags(spec: Spec): number {
  return (spec.linux?.namespaces ?? [])
    .filter(({ gantryHost }) => gantryHost !== true)
    .reduce((flags, { type }) => flags | CLONE_NEW[type], 0);
}

function affinitySteps(which: "initial" | "final", list = ""): AffinityOp[] {
  if (list === "") return [];
  return [{ kind: "affinity", mask: at(`process.execCPUAffinity.${which}`, () => cpuMask(list)) }];
}

function execCgroupJoins({ spec, taskId, facts, subCgroups }: CompileExecOptions): PlanOp[] {
  const joins = cgroupJoins(spec, taskId, facts);
  if (subCgroups === undefined || subCgroups.size === 0) return joins;
  const dirs = new Map(
    cgroupDirs(facts.cgroup, cgroupPathOf(spec, taskId)).map(({ dir, controllers }) => [dir, controllers]),
  );
  const known = new Set(["", ...[...dirs.values()].flat()]);
  for (const [controller, path] of subCgroups) {
    if (!known.has(controller))
      throw invalid("cgroup", `cannot be joined: there is no controller ${quoted(controller)}`);
    if (path.startsWith("/") || path.split("/").some((part) => part === ".." || part.length > 255))
      throw invalid("cgroup", `${quoted(path)} is not a path below the container's own`);
  }
  return joins.map(
    (join): PlanOp => (join.kind === "cgroup-join" ? below(join, dirs.get(join.dir) ?? []) : join),
  );

  function below(join: CgroupJoinOp, controllers: readonly string[]): CgroupJoinOp {
    const named = controllers.find((controller) => subCgroups?.has(controller));
    const path = subCgroups?.get(named ?? "") ?? "";
    return path === "" ? join : { ...join, dir: `${join.dir}/${path}` };
  }
}

// ---- settings of the namespaces ----

/** Links come to the container as the host calls them, unless it has another name for them. */
function netdevSteps(spec: Spec, { notHost }: Namespaces): PlanOp[] {
  const taken = new Set<string>();
  return Object.entries(spec.linux?.netDevices ?? {}).map(([name, { name: wish = "" }]): PlanOp => {
    const path = `linux.netDevices[${quoted(name)}]`;
    const newName = wish === "" ? name : wish;
    if (!notHost.has("network"))
      throw invalid(path, "cannot be moved: the container has no network namespace of its own");
    if (!isLinkName(name, "existing")) throw invalid(path, "is not the name of a network device");
    if (!isLinkName(newName, "new"))
      throw invalid(`${path}.name`, `${quoted(newName)} is not the name of a network device`);
    if (taken.has(newName) && !newName.includes("%"))
      throw invalid(`${path}.name`, `${quoted(newName)} is given to two network devices`);
    taken.add(newName);
    return { kind: "netdev", name, newName };
  });
}

function kernelSettings(spec: Spec, { own, notHost }: Namespaces): PlanOp[] {
  const ops: PlanOp[] = [];
  for (const kind of ["hostname", "domainname"] as const) {
    const name = spec[kind] ?? "";
    if (name !== "") ops.push({ kind, name: nameInOwnUts(kind, name, notHost) });
  }
  if (own.has("network")) ops.push({ kind: "loopback-up" });
  for (const [key, value] of Object.entries(spec.linux?.sysctl ?? {}))
    ops.push({ kind: "sysctl", key: at("linux.sysctl", () => checkSysctl(key, value, notHost)), value });
  return ops;
}

/** 64 bytes is the kernel's limit: __NEW_UTS_LEN. */
function nameInOwnUts(what: string, name: string, notHost: ReadonlySet<NamespaceType>): string {
  if (!notHost.has("uts"))
    throw invalid(what, `is given, but cannot set the ${what} of the host's UTS namespace`);
  if (Buffer.byteLength(name) > 64) throw invalid(what, `${quoted(name)} is too long`);
  return name;
}

// ---- the process ----

function processOf(spec: Spec): Process {
  if (spec.process === undefined) throw invalid("process", "is missing: the specification has no process");
  return checkedProcess(spec.process);
}

function checkedProcess(process: Process): Process {
  if (process.args.length === 0)
    throw invalid("process.args", "is missing or empty: the process has no arguments");
  return process;
}
