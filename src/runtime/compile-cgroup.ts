/** The cgroup part of a plan: directories, limits, device rules, membership. */
import { posix } from "node:path";
import { fail } from "../base/errors.ts";
import { cgroupPlace } from "../linux/cgroup-place.ts";
import { cgroupDirs, controllerDir } from "../linux/cgroup-paths.ts";
import { cgroupSettings } from "../linux/cgroup-settings.ts";
import { compileDeviceProgram } from "../linux/device-bpf.ts";
import { checkDeviceRulesV1, deviceRuleText, effectiveDeviceRules } from "../linux/device-rules.ts";
import type { HostFacts } from "../linux/host-facts.ts";
import { rdtGroup } from "../linux/intel-rdt.ts";
import type { Spec } from "../specs/oci-runtime/spec.ts";
import type { OomFileOp, Plan, PlanOp } from "./plan.ts";

/**
 * The path below the cgroup root. A unit of systemd has been replaced by the path it stands for (`cgroupPlace`) before:
 * the plan knows no drivers.
 */
export function cgroupPathOf(spec: Spec, taskId: string): string {
  return cgroupPlace(spec.linux?.cgroupsPath, taskId, "cgroupfs").path;
}

/** Done by the shim: makes the directories, sets every limit, opens the OOM counter. */
export function cgroupSetup(spec: Spec, taskId: string, facts: HostFacts): PlanOp[] {
  const path = cgroupPathOf(spec, taskId);
  return [
    ...cgroupDirs(facts.cgroup, path).map(
      ({ dir, controllers }) =>
        ({
          kind: "cgroup-create",
          dir,
          ...(needsCpuset(path, controllers) ? { inherit: true } : {}),
        }) as const,
    ),
    ...deviceSteps(spec, path, facts),
    ...settingSteps(spec, path, facts),
    ...oomStep(path, facts),
    ...ownerStep(spec, path, facts),
    ...rdtSteps(spec, taskId, facts),
  ];
}

/** Below a parent that `readyCgroupParents` has made ready the kernel fills a cpuset; the hierarchy's root is the host's. */
function needsCpuset(path: string, controllers: readonly string[]): boolean {
  return controllers.includes("cpuset") && path.lastIndexOf("/") === 0;
}

/** Done by the child, or at its birth, before anything else. */
export function cgroupJoins(spec: Spec, taskId: string, facts: HostFacts): PlanOp[] {
  const cgroups = cgroupDirs(facts.cgroup, cgroupPathOf(spec, taskId)).map(({ dir }) => ({
    kind: "cgroup-join" as const,
    dir,
    version: facts.cgroup.version,
  }));
  return [...cgroups, ...rdtJoins(spec, taskId, facts)];
}

/** cgroups(7), "Cgroup delegation": what every kernel has. */
const DELEGATED = ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"];

/**
 * runtime-spec config-linux.md, "Cgroup ownership": the container's user may divide its cgroup when it sees that as a root of
 * its own, writable, which is safe in v2 alone. Its limits stay the host's: their files are not among the given ones.
 */
function ownerStep(spec: Spec, path: string, facts: HostFacts): PlanOp[] {
  const user = spec.process?.user;
  const isOwnRoot = (spec.linux?.namespaces ?? []).some(
    (ns) => ns.type === "cgroup" && (ns.path ?? "") === "",
  );
  const isWritable = (spec.mounts ?? []).some(
    ({ destination, source, type, options }) =>
      destination === CGROUP_ROOT &&
      (source === "cgroup" || type === "cgroup" || type === "cgroup2") &&
      !(options ?? []).includes("ro"),
  );
  if (facts.cgroup.version !== 2 || !isOwnRoot || !isWritable || user === undefined) return [];
  if (user.gantryLookup !== undefined) return [];
  const uid = hostUid(spec, user.uid);
  const [cgroup] = cgroupDirs(facts.cgroup, path);
  // Root's it is already.
  if (uid === undefined || uid === 0 || cgroup === undefined) return [];
  return [{ kind: "cgroup-owner", dir: cgroup.dir, uid, files: facts.cgroupDelegate ?? DELEGATED }];
}

const CGROUP_ROOT = "/sys/fs/cgroup";

/** Without maps a user is the same one outside; one that is not mapped is nobody's. */
function hostUid({ linux }: Spec, uid: number): number | undefined {
  const maps = linux?.uidMappings ?? [];
  if (maps.length === 0) return uid;
  const map = maps.find(({ containerID, size }) => uid >= containerID && uid < containerID + size);
  return map === undefined ? undefined : map.hostID + uid - map.containerID;
}

/** A group of its own is a directory like a cgroup's; a shared one is there already (`readyRdtGroup`). */
function rdtSteps(spec: Spec, taskId: string, facts: HostFacts): PlanOp[] {
  const rdt = spec.linux?.intelRdt;
  if (rdt === undefined) return [];
  const { dir, isOwn, schemata, monitorDir } = rdtGroup(rdt, taskId, facts.resctrl);
  const write = { kind: "cgroup-write", mayMiss: false, file: posix.join(dir, "schemata") } as const;
  return [
    ...(isOwn ? [{ kind: "cgroup-create", dir } as const] : []),
    ...(isOwn && schemata !== undefined ? [{ ...write, value: schemata }] : []),
    ...(monitorDir === undefined ? [] : [{ kind: "cgroup-create", dir: monitorDir } as const]),
  ];
}

/** resctrl's `tasks` takes members as cgroup v1's does. A group for monitoring takes only those of the class above it. */
function rdtJoins(spec: Spec, taskId: string, facts: HostFacts): PlanOp[] {
  const rdt = spec.linux?.intelRdt;
  if (rdt === undefined) return [];
  const { dir, monitorDir } = rdtGroup(rdt, taskId, facts.resctrl);
  const dirs = monitorDir === undefined ? [dir] : [dir, monitorDir];
  return dirs.map((group) => ({ kind: "cgroup-join", dir: group, version: 1 }));
}

/**
 * The plan of a container whose cgroup is a scope of systemd's: whoever performs it has been put there to keep the scope
 * alive, and goes back to the cgroups of these cgroup.procs (`findOwnMemberFiles`) as soon as the container's first process
 * is in. docs/decisions/0006-systemd-cgroups.md
 */
export function leavingScope(plan: Plan, memberFiles: readonly string[]): Plan {
  return {
    ...plan,
    ops: [...memberFiles.map((file) => ({ kind: "cgroup-leave", file }) as const), ...plan.ops],
  };
}

function deviceSteps(spec: Spec, path: string, facts: HostFacts): PlanOp[] {
  const rules = effectiveDeviceRules(spec.linux?.resources?.devices ?? []);
  if (facts.cgroup.version === 2) {
    const [dir] = cgroupDirs(facts.cgroup, path);
    if (dir === undefined) throw fail("internal", "cgroup v2 without a directory");
    return [{ kind: "cgroup-bpf", dir: dir.dir, insns: compileDeviceProgram(rules) }];
  }
  const dir = controllerDir(facts.cgroup, path, "devices");
  if (dir === undefined)
    throw fail("invalid_argument", "the devices cgroup is not mounted: access to devices cannot be limited");
  checkDeviceRulesV1(rules);
  return rules.map((rule) => ({
    kind: "cgroup-write",
    mayMiss: false,
    file: posix.join(dir, rule.allow ? "devices.allow" : "devices.deny"),
    value: deviceRuleText(rule),
  }));
}

function settingSteps(spec: Spec, path: string, facts: HostFacts): PlanOp[] {
  const settings = cgroupSettings(facts.cgroup.version, spec.linux?.resources ?? {});
  return settings.map(({ controller, file, value, mayMiss }) => {
    const dir = settingDir(controller, path, facts);
    if (dir === undefined)
      throw fail("invalid_argument", `cannot set "${file}": the ${controller} cgroup is not available`);
    return { kind: "cgroup-write", mayMiss, file: posix.join(dir, file), value };
  });
}

/** The core's own files of v2 are there without any controller. */
function settingDir(controller: string, path: string, facts: HostFacts): string | undefined {
  return facts.cgroup.version === 2 && controller === "cgroup"
    ? cgroupDirs(facts.cgroup, path)[0]?.dir
    : controllerDir(facts.cgroup, path, controller);
}

/** Of a cgroup that another runtime will make. */
export function lateOomFile(spec: Spec, taskId: string, facts: HostFacts): PlanOp[] {
  return oomStep(cgroupPathOf(spec, taskId), facts).map((op) => ({ ...op, mayMiss: true }));
}

function oomStep(path: string, facts: HostFacts): OomFileOp[] {
  const dir = controllerDir(facts.cgroup, path, "memory");
  if (dir === undefined) return [];
  const file = facts.cgroup.version === 2 ? "memory.events" : "memory.oom_control";
  return [{ kind: "oom-file", file: posix.join(dir, file) }];
}
