/**
 * Plans of containers whose process another OCI runtime makes (docs/decisions/0007). Pure. The root is mounted at the
 * bundle's `rootfs` in a mount namespace that lives as long as the runtime's commands; the container's own one, a copy, keeps it:
 *
 *     propagation, root      in the mount namespace of who performs the plan
 *     RUNTIME create         its process is there, with the container's streams
 *     sync                   "created"
 *     RUNTIME start
 *     leave                  the process is the shim's child from now on
 *     RUNTIME delete         by the shim, at the end, whatever it was
 */
import type { RootfsMount } from "../core/snapshots/snapshotter.ts";
import type { HostFacts } from "../linux/host-facts.ts";
import { PROPAGATION } from "../linux/mount-options.ts";
import { CLONE_NEW } from "../linux/namespaces.ts";
import type { Spec, SpecUser } from "../specs/oci-runtime/spec.ts";
import { lateOomFile } from "./compile-cgroup.ts";
import { identityStep } from "./compile-process.ts";
import { type CommandOp, IDMAP, type Plan, type PlanOp } from "./plan.ts";

/** One call of the runtime, complete: the first word is the program's absolute path. */
export type RuntimeCommand = readonly string[];

const ENVIRONMENT = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];

/** A runtime may start a virtual machine. */
const CREATE_TIMEOUT_S = 45;
const START_TIMEOUT_S = 15;
const DELETE_TIMEOUT_S = 20;

export interface ForeignRunOptions {
  readonly taskId: string;
  readonly spec: Spec;
  readonly facts: HostFacts;
  readonly rootfs: RootfsMount;
  /** The bundle's `rootfs`, empty. */
  readonly staging: string;
  readonly create: RuntimeCommand;
  readonly start: RuntimeCommand;
  readonly delete: RuntimeCommand;
  /** Where `create` leaves the pid, and where it sends the terminal if the process has one. */
  readonly pidFile: string;
  readonly consoleSocket: string;
}

export function foreignRunPlan(options: ForeignRunOptions): Plan {
  const { taskId, spec, facts, rootfs, staging, pidFile, consoleSocket } = options;
  const terminal = spec.process?.terminal ?? false;
  const hasOwnPids = spec.linux?.namespaces?.some(({ type, path }) => type === "pid" && path === undefined);
  return {
    cloneFlags: CLONE_NEW.mount,
    join: false,
    terminal,
    hostPid: hasOwnPids !== true,
    foreign: true,
    ops: [
      ...lateOomFile(spec, taskId, facts),
      { kind: "finally", argv: options.delete, env: ENVIRONMENT, timeoutS: DELETE_TIMEOUT_S },
      ...rootSteps(rootfs, staging),
      making({ argv: options.create, pidFile, consoleSocket: terminal ? consoleSocket : "" }),
      { kind: "sync", lookup: false },
      {
        kind: "command",
        argv: options.start,
        env: ENVIRONMENT,
        timeoutS: START_TIMEOUT_S,
        pidFile: "",
        consoleSocket: "",
      },
      { kind: "leave" },
    ],
  };
}

export interface ForeignExecOptions {
  readonly exec: RuntimeCommand;
  readonly pidFile: string;
  /** "" = the process has no terminal. */
  readonly consoleSocket: string;
}

export function foreignExecPlan({ exec, pidFile, consoleSocket }: ForeignExecOptions): Plan {
  return {
    cloneFlags: 0,
    join: false,
    terminal: consoleSocket !== "",
    hostPid: false,
    foreign: true,
    ops: [making({ argv: exec, pidFile, consoleSocket }), { kind: "leave" }],
  };
}

/**
 * Looks up a user in the root's own files, and prints what was found. The root is read-only and its upper directory a layer like
 * the others, because the container may have it mounted. The pivot leaves nothing of the host in sight of the look-up.
 */
export function identityPlan(user: SpecUser, rootfs: RootfsMount, staging: string): Plan {
  return {
    cloneFlags: CLONE_NEW.mount,
    join: false,
    terminal: false,
    hostPid: true,
    ops: [
      ...rootSteps(readOnly(rootfs), staging),
      { kind: "pivot", rootReadonly: true },
      { ...identityStep(user), report: true },
    ],
  };
}

function readOnly(rootfs: RootfsMount): RootfsMount {
  if (rootfs.kind === "bind" || rootfs.upper === "") return rootfs;
  return { ...rootfs, lowers: [rootfs.upper, ...rootfs.lowers], upper: "", work: "" };
}

function rootSteps(rootfs: RootfsMount, staging: string): PlanOp[] {
  return [
    { kind: "propagation", propagation: PROPAGATION.slave | PROPAGATION.rec },
    rootStep(rootfs, staging),
  ];
}

function rootStep(rootfs: RootfsMount, staging: string): PlanOp {
  const idmap = IDMAP.none;
  if (rootfs.kind === "bind") return { kind: "root-bind", source: rootfs.source, staging, idmap };
  const { lowers, upper, work, images = false } = rootfs;
  return { kind: "root-overlay", images, lowers, upper, work, options: ["index=off"], staging, idmap };
}

function making(options: Pick<CommandOp, "argv" | "pidFile" | "consoleSocket">): CommandOp {
  return { kind: "command", env: ENVIRONMENT, timeoutS: CREATE_TIMEOUT_S, ...options };
}
