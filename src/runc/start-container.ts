/**
 * `create` and `run` up to the point where the C program takes over. Everything is read and checked first; taking the id is
 * the last step but one, so a refused bundle leaves nothing behind. From then on the C program undoes what it did, and
 * `delete --force` finds what a killed one left.
 */
import { realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { errnoOf, fail } from "../base/errors.ts";
import { markFileBinds } from "../linux/bind-sources.ts";
import { readyCgroupParents } from "../linux/cgroup-parents.ts";
import { cgroupMembers } from "../linux/cgroup-now.ts";
import { type HostFacts, readHostFacts, readOwnMemberFiles } from "../linux/host-facts.ts";
import { leadsToItsReader, namesItsReader } from "../linux/reader-paths.ts";
import { type RdtGroup, readyRdtGroup } from "../linux/intel-rdt.ts";
import { markHostNamespaces } from "../linux/own-namespaces.ts";
import { cgroupPathOf, leavingScope } from "../runtime/compile-cgroup.ts";
import { compile } from "../runtime/compile.ts";
import { encodePlan } from "../runtime/plan-codec.ts";
import type { Plan } from "../runtime/plan.ts";
import { decodeSpec } from "../specs/oci-runtime/decode.ts";
import type { Spec } from "../specs/oci-runtime/spec.ts";
import { type Placed, placeCgroup, rdtGroupOf } from "./cgroup-driver.ts";
import { checkContainerId } from "./container-id.ts";
import { directoryOf, refuseTakenId, release, reserve } from "./container.ts";
import { type Caller, leaveLongDocument } from "./caller.ts";
import type { Context } from "./context.ts";
import { readDocument } from "./files.ts";
import type { Flag, Flags } from "./flags.ts";
import { type NotifySocket, notifySocket, withListenFds, withNotify } from "./handed-down.ts";
import { type Ending, becomePerformer } from "./performer.ts";
import { checkTerminal } from "./terminal-rules.ts";
import type { ContainerRecord } from "./record.ts";
import { needsStartPlan } from "./start-plan.ts";

export const START_FLAGS: readonly Flag[] = [
  { names: ["bundle", "b"], kind: "text", help: "directory of the bundle (default: the current one)" },
  { names: ["console-socket"], kind: "text", help: "unix socket that gets the terminal's master" },
  { names: ["pid-file"], kind: "text", help: "write the process id there" },
  { names: ["no-pivot"], kind: "switch", refused: "without pivot_root the host's files can be reached" },
  { names: ["no-new-keyring"], kind: "switch", help: "stay in the caller's session keyring" },
  {
    names: ["no-mount-fallback"],
    kind: "switch",
    help: "mount as asked or fail, as this runtime always does",
  },
  {
    names: ["preserve-fds"],
    kind: "integer",
    help: "hand on this many descriptors from 3 up, behind those of LISTEN_FDS",
  },
  { names: ["pidfd-socket"], kind: "text", refused: "use --pid-file" },
];

export interface Bundle {
  /** Absolute, without symbolic links. */
  readonly path: string;
  readonly rootfs: string;
  /** The text of config.json. */
  readonly config: string;
  readonly spec: Spec;
}

/** Throws `invalid_argument` naming the field, or what is missing. */
export function readBundle({ workingDirectory, caller }: Context, given: string): Bundle {
  const path = realBundle(resolve(workingDirectory, given || "."));
  const config = readConfig(path);
  leaveLongDocument(caller, config);
  const spec = markHostNamespaces(markFileBinds(decodeSpec(config), path));
  return { path, rootfs: resolve(path, spec.root?.path ?? "rootfs"), config, spec };
}

function meansItsReader({ path, rootfs, spec }: Bundle): boolean {
  const paths = [
    rootfs,
    ...(spec.linux?.namespaces ?? []).map((each) => each.path ?? ""),
    ...(spec.mounts ?? []).map(({ source }) => source ?? ""),
  ];
  return leadsToItsReader(path) || paths.some(namesItsReader);
}

function realBundle(path: string): string {
  try {
    return realpathSync(path);
  } catch (cause) {
    throw fail(
      "invalid_argument",
      `bundle "${path}" cannot be entered: ${errnoOf(cause) ?? "unknown error"}`,
      cause,
    );
  }
}

function readConfig(bundle: string): string {
  try {
    return readDocument(join(bundle, "config.json"));
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT")
      throw fail("invalid_argument", `JSON specification file config.json not found in "${bundle}"`, cause);
    throw cause;
  }
}

export interface CompiledStart {
  readonly bundle: Bundle;
  readonly plan: Plan;
  readonly facts: HostFacts;
  readonly placed: Placed;
  readonly rdt: RdtGroup | undefined;
  readonly notify: NotifySocket | undefined;
  readonly preserved: number;
}

/** The plan of a start of `id`. Nothing is changed on the host. */
export function compileStart(context: Context, flags: Flags, id: string): CompiledStart {
  const bundle = readBundle(context, flags.text("bundle"));
  if (meansItsReader(bundle)) context.caller.ownProcess("paths below /proc/self");
  const facts = readHostFacts("", context.caller.pid, context.caller.kernel);
  const directory = directoryOf(context.root, id);
  const notify = notifySocket(context.environment, directory);
  const { spec: listening, count } = withListenFds(bundle.spec, context.environment, context.caller.pid);
  const placed = placeCgroup(
    notify === undefined ? listening : withNotify(listening, notify),
    id,
    context.systemdCgroup,
  );
  const { spec } = placed;
  const plan = compile({
    spec,
    rootfs: { kind: "bind", source: bundle.rootfs },
    staging: join(directory, "rootfs"),
    taskId: id,
    facts,
    init: false,
    bundle: bundle.path,
    lookup: true,
    warn: (message) => context.log.warn(message),
  });
  const preserved = count + (flags.integer("preserve-fds") ?? 0);
  if (preserved < 0) throw fail("invalid_argument", "--preserve-fds must not be negative");
  return {
    bundle,
    plan: finished(plan, flags, placed),
    facts,
    placed,
    rdt: rdtGroupOf(spec, id, facts),
    notify,
    preserved,
  };
}

function finished(plan: Plan, flags: Flags, { scope }: Placed): Plan {
  const wanted = flags.isOn("no-new-keyring") ? withoutKeyring(plan) : plan;
  return scope === undefined ? wanted : leavingScope(wanted, readOwnMemberFiles());
}

function withoutKeyring(plan: Plan): Plan {
  return { ...plan, ops: plan.ops.filter(({ kind }) => kind !== "keyring") };
}

/** The caller becomes the C program. Throws when there is nothing that could have been left behind. */
export async function startContainer(
  context: Context,
  flags: Flags,
  id: string,
  ending: Ending,
): Promise<number> {
  checkContainerId(id);
  refuseTakenId(context.root, id, context.caller.identity());
  const compiled = compileStart(context, flags, id);
  const { plan, facts, placed, notify, preserved } = compiled;
  checkTerminal(plan.terminal, ending !== "wait", flags.text("console-socket"));
  const record = recordOf(compiled, context.caller);
  const bytes = encodePlan(plan);
  refuseUsedCgroups(record.cgroupDirs);
  await context.caller.begin();
  context.caller.assumeUmask();
  if (compiled.rdt !== undefined) readyRdtGroup(compiled.rdt);
  if (placed.scope === undefined) readyCgroupParents(facts.cgroup, cgroupPathOf(placed.spec, id));
  const state = reserve(context.root, id, record, notify === undefined ? [] : ["notify"]);
  try {
    if (placed.scope !== undefined) {
      const { enterScope } = await import("./scope.ts");
      await enterScope(id, placed, facts);
    }
    return becomePerformer(context, {
      verb: ending === "create" ? "create" : "run",
      state,
      plan: bytes,
      preserved,
      // The socket of a created container is made when it starts.
      notify: ending === "create" ? undefined : notify,
      detach: ending === "detach",
      keep: flags.isOn("keep"),
      subreaper: ending === "wait" && !flags.isOn("no-subreaper"),
      pidFile: flags.text("pid-file"),
      consoleSocket: flags.text("console-socket"),
    });
  } catch (error) {
    release(context.root, id, record.creator);
    throw error;
  }
}

/** What is written of a container that begins. */
export function recordOf(
  { bundle, plan, placed: { spec, scope }, rdt }: CompiledStart,
  caller: Caller,
): ContainerRecord {
  return {
    ociVersion: spec.ociVersion,
    bundle: bundle.path,
    rootfs: bundle.rootfs,
    created: new Date().toISOString(),
    owner: process.geteuid?.() ?? 0,
    // The C program has the same number: it takes this one's place.
    creator: caller.identity(),
    annotations: spec.annotations ?? {},
    cgroupDirs: plan.ops.flatMap((op) => (op.kind === "cgroup-create" ? [op.dir] : [])),
    ...(scope === undefined ? {} : { scope: scope.unit }),
    hasRdt: rdt !== undefined,
    needsStartPlan: needsStartPlan(spec),
    hasPoststop: (spec.hooks?.poststop ?? []).length > 0,
    config: bundle.config,
  };
}

/** All that is in a container's cgroup is killed with it: it must be nobody else's. Throws `conflict`. */
export function refuseUsedCgroups(dirs: readonly string[]): void {
  for (const dir of dirs) {
    const members = cgroupMembers([dir]);
    if (members.length > 0)
      throw fail(
        "conflict",
        `container's cgroup is not empty: ${members.length} process(es) found in "${dir}"`,
      );
  }
}
