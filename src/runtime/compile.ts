/**
 * OCI specification → init plan. Pure: what happens to the kernel is decided here and nowhere else, and every decision
 * can be read with `gantry-runc plan`. The C program performs the steps in the order in which they stand.
 *
 * The order, and why:
 *
 *     cgroups          limits are set before the first instruction; joined first so that all set-up work is accounted
 *     namespaces       a cgroup namespace takes the present membership as its root, so it is made after joining
 *     propagation      before the first mount, or it would show on the host
 *     root, mounts, devices, read-only and masked paths, console       resolved below the root, before pivot_root
 *     pivot_root       from here on no host path can be reached
 *     sysctls, names   of the namespaces
 *     limits, score, keyring, working directory        need the full capabilities that come off next
 *     sync             "created": everything that can fail for reasons of the host has been done
 *     bounding set, user, seccomp, capabilities, exec     (compile-process.ts)
 */
import type { RootfsMount } from "../core/snapshots/snapshotter.ts";
import { fail } from "../base/errors.ts";
import type { HostFacts } from "../linux/host-facts.ts";
import { CLONE_NEW } from "../linux/namespaces.ts";
import { checkSysctl } from "../linux/sysctl.ts";
import type { NamespaceType, Process, Spec } from "../specs/oci-runtime/spec.ts";
import { cgroupJoins, cgroupSetup } from "./compile-cgroup.ts";
import { consoleStep, identitySteps, resourceSteps } from "./compile-process.ts";
import { rootSteps } from "./compile-root.ts";
import type { Plan, PlanOp } from "./plan.ts";

export interface CompileOptions {
  readonly spec: Spec;
  readonly rootfs: RootfsMount | { readonly kind: "bind"; readonly source: string };
  /** An empty host directory that the root is attached to, in the container's mount namespace, until pivot_root. */
  readonly staging: string;
  readonly taskId: string;
  readonly facts: HostFacts;
  /** PID 1 stays as a reaping, signal-forwarding process. */
  readonly init: boolean;
}

/**
 * The plan that starts a container. The cgroup's parents must be ready (`readyCgroupParents`).
 *
 * Throws `invalid_argument` for a specification that contradicts itself or is unsafe, `not_implemented` for a part of
 * the OCI specification that this runtime does not have; nothing is ever left out silently.
 */
export function compile(options: CompileOptions): Plan {
  const { spec, facts, taskId } = options;
  refuseUnsupported(spec);
  const process = processOf(spec);
  const namespaces = readNamespaces(spec);
  const ops: PlanOp[] = [
    ...cgroupSetup(spec, taskId, facts),
    ...namespaces.joined,
    ...cgroupJoins(spec, taskId, facts),
    ...(namespaces.own.has("cgroup") ? [{ kind: "unshare", cloneFlags: CLONE_NEW.cgroup } as const] : []),
    ...rootSteps(options),
    ...kernelSettings(spec, namespaces),
    ...resourceSteps(process, taskId, { createCwd: true }),
    { kind: "sync", lookup: false },
    ...identitySteps({ process, seccomp: spec.linux?.seccomp, facts, init: options.init }),
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
}

/** The plan that starts one more process in a running container. Throws like `compile`. */
export function compileExec({ process, spec, taskId, facts }: CompileExecOptions): Plan {
  refuseUnsupported(spec);
  refuseUnsupportedProcess(process);
  const terminal = process.terminal ?? false;
  const ops: PlanOp[] = [
    ...cgroupJoins(spec, taskId, facts),
    ...(terminal ? [consoleStep(process)] : []),
    ...resourceSteps(process, taskId, { createCwd: false }),
    ...identitySteps({ process, seccomp: spec.linux?.seccomp, facts, init: false }),
  ];
  return { cloneFlags: joinFlags(spec), join: true, terminal, hostPid: false, ops };
}

/** Every namespace that is not the host's. */
function joinFlags(spec: Spec): number {
  return (spec.linux?.namespaces ?? []).reduce((flags, { type }) => flags | CLONE_NEW[type], 0);
}

interface Namespaces {
  readonly cloneFlags: number;
  readonly own: ReadonlySet<NamespaceType>;
  /** Own or joined by path: not the host's. */
  readonly notHost: ReadonlySet<NamespaceType>;
  readonly joined: readonly PlanOp[];
}

function readNamespaces(spec: Spec): Namespaces {
  let cloneFlags = 0;
  const own = new Set<NamespaceType>();
  const notHost = new Set<NamespaceType>();
  const joined: PlanOp[] = [];
  for (const { type, path } of spec.linux?.namespaces ?? []) {
    if (type === "user" || type === "time")
      throw fail("not_implemented", `the ${type} namespace is not supported`);
    if (notHost.has(type)) throw fail("invalid_argument", `the ${type} namespace is listed twice`);
    notHost.add(type);
    if (path === undefined || path === "") {
      own.add(type);
      if (type !== "cgroup") cloneFlags |= CLONE_NEW[type];
    } else if (type === "mount")
      throw fail("not_implemented", "joining another mount namespace is not supported");
    else if (!path.startsWith("/"))
      throw fail("invalid_argument", `namespace path "${path}" is not absolute`);
    else joined.push({ kind: "ns-path", cloneFlag: CLONE_NEW[type], path });
  }
  if (!own.has("mount")) throw fail("invalid_argument", "a container needs a mount namespace of its own");
  return { cloneFlags, own, notHost, joined };
}

function kernelSettings(spec: Spec, { own, notHost }: Namespaces): PlanOp[] {
  const ops: PlanOp[] = [];
  if (spec.hostname !== undefined && spec.hostname !== "")
    ops.push({ kind: "hostname", name: nameInOwnUts("hostname", spec.hostname, notHost) });
  if (spec.domainname !== undefined && spec.domainname !== "")
    ops.push({ kind: "domainname", name: nameInOwnUts("domainname", spec.domainname, notHost) });
  if (own.has("network")) ops.push({ kind: "loopback-up" });
  for (const [key, value] of Object.entries(spec.linux?.sysctl ?? {}))
    ops.push({ kind: "sysctl", key: checkSysctl(key, value, notHost), value });
  return ops;
}

/** 64 bytes is the kernel's limit: __NEW_UTS_LEN. */
function nameInOwnUts(what: string, name: string, notHost: ReadonlySet<NamespaceType>): string {
  if (!notHost.has("uts"))
    throw fail("invalid_argument", `cannot set the ${what} of the host's UTS namespace`);
  if (Buffer.byteLength(name) > 64)
    throw fail("invalid_argument", `${what} "${name.slice(0, 80)}" is too long`);
  return name;
}

function processOf(spec: Spec): Process {
  if (spec.process === undefined) throw fail("invalid_argument", "the specification has no process");
  refuseUnsupportedProcess(spec.process);
  return spec.process;
}

function refuseUnsupportedProcess(process: Process): void {
  if (process.args.length === 0) throw fail("invalid_argument", "the process has no arguments");
  for (const label of ["apparmorProfile", "selinuxLabel"] as const)
    if ((process[label] ?? "") !== "") throw fail("not_implemented", `process.${label} is not supported`);
}

function refuseUnsupported(spec: Spec): void {
  for (const [point, hooks] of Object.entries(spec.hooks ?? {}))
    if (hooks.length > 0) throw fail("not_implemented", `${point} hooks are not supported`);
  for (const mappings of ["uidMappings", "gidMappings"] as const)
    if ((spec.linux?.[mappings] ?? []).length > 0)
      throw fail("not_implemented", `linux.${mappings} is not supported`);
  if ((spec.linux?.mountLabel ?? "") !== "")
    throw fail("not_implemented", "linux.mountLabel is not supported");
}
