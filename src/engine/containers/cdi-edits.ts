/** What CDI devices change of a container's specification. Pure: the nodes are completed, the mounts' kinds are known. */
import type { ContainerEdits } from "../../specs/cdi/spec.ts";
import type {
  Hook,
  HookPoint,
  LinuxDevice,
  Process,
  Spec,
  SpecMount,
  SpecUser,
} from "../../specs/oci-runtime/spec.ts";

export interface Edits extends Omit<ContainerEdits, "deviceNodes"> {
  readonly deviceNodes: readonly { readonly node: LinuxDevice; readonly access: string }[];
}

export function applyEdits(spec: Spec, edits: Edits): Spec {
  const { process, linux = {} } = spec;
  const rules = edits.deviceNodes.flatMap(({ node, access }) => ruleOf(node, access));
  const paths = new Set(edits.deviceNodes.map(({ node }) => node.path));
  return {
    ...spec,
    ...(process === undefined ? {} : { process: withProcess(process, edits) }),
    mounts: withMounts(spec.mounts ?? [], edits.mounts),
    ...(edits.hooks.length === 0 ? {} : { hooks: withHooks(spec.hooks ?? {}, edits.hooks) }),
    linux: {
      ...linux,
      devices: [
        ...(linux.devices ?? []).filter(({ path }) => !paths.has(path)),
        ...edits.deviceNodes.map(({ node }) => withOwner(node, process)),
      ],
      resources: { ...linux.resources, devices: [...(linux.resources?.devices ?? []), ...rules] },
      ...(edits.intelRdt === undefined ? {} : { intelRdt: edits.intelRdt }),
    },
  };
}

/** Belongs to the container's user unless somebody says otherwise, where he is a number. */
function withOwner(node: LinuxDevice, process: Process | undefined): LinuxDevice {
  const { uid = 0, gid = 0 } = process?.user ?? {};
  return { ...(uid > 0 ? { uid } : {}), ...(gid > 0 ? { gid } : {}), ...node };
}

function ruleOf({ type, major, minor }: LinuxDevice, access: string) {
  if (type === "p") return [];
  const numbers = { ...(major === undefined ? {} : { major }), ...(minor === undefined ? {} : { minor }) };
  return [{ allow: true, type: type === "b" ? "b" : "c", ...numbers, access } as const];
}

function withProcess(process: Process, { env, additionalGids }: Edits): Process {
  const { env: before = [], user, ...others } = process;
  const named = new Set(env.map(nameOf));
  // Group 0 is what CDI leaves out, too.
  const groups = additionalGids.filter((gid) => gid !== 0);
  return {
    ...others,
    env: [...before.filter((entry) => !named.has(nameOf(entry))), ...env],
    user: withGroups(user, groups),
  };
}

function nameOf(entry: string): string {
  return entry.split("=", 1)[0] ?? "";
}

function withGroups(user: SpecUser, groups: readonly number[]): SpecUser {
  const { gantryLookup: lookup, additionalGids = [] } = user;
  if (lookup === undefined) return { ...user, additionalGids: [...additionalGids, ...groups] };
  const additionalGroups = [...lookup.additionalGroups, ...groups.map(String)];
  return { ...user, gantryLookup: { ...lookup, additionalGroups } };
}

/** In the place of what is mounted there already; parents stay before what is mounted inside them. */
function withMounts(mounts: readonly SpecMount[], added: ContainerEdits["mounts"]): readonly SpecMount[] {
  if (added.length === 0) return mounts;
  const taken = new Set(added.map(({ containerPath }) => containerPath));
  const depth = ({ destination }: SpecMount): number => destination.split("/").length;
  return [
    ...mounts.filter(({ destination }) => !taken.has(destination)),
    ...added.map(specMount).toSorted((a, b) => depth(a) - depth(b)),
  ];
}

function specMount({ hostPath, containerPath, type, options }: ContainerEdits["mounts"][number]): SpecMount {
  const isBind = ["", "bind"].includes(type);
  const says = options.includes("bind") || options.includes("rbind");
  return {
    destination: containerPath,
    type: isBind ? "bind" : type,
    source: hostPath,
    options: isBind && !says ? ["rbind", ...options] : options,
  };
}

type Hooks = NonNullable<Spec["hooks"]>;

function withHooks(hooks: Hooks, added: ContainerEdits["hooks"]): Hooks {
  const all = new Map<HookPoint, readonly Hook[]>();
  for (const [point, list] of entriesOf(hooks)) all.set(point, list);
  for (const { point, hook } of added) all.set(point, [...(all.get(point) ?? []), hook]);
  return Object.fromEntries(all);
}

function entriesOf(hooks: Hooks): readonly (readonly [HookPoint, readonly Hook[]])[] {
  const points: readonly HookPoint[] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
  ];
  return points.flatMap((point) => (hooks[point] === undefined ? [] : [[point, hooks[point]] as const]));
}
