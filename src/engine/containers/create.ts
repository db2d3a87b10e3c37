/** POST /containers/create. Everything is checked before anything is made. */
import type { Platform } from "../../specs/oci-image/manifest.ts";
import { parsePlatform, platformText, runsOn } from "../../specs/oci-image/platform.ts";
import { goArchitecture } from "../system/version.ts";
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { fail, messageOf } from "../../base/errors.ts";
import { syncDirectory } from "../../base/sync-directory.ts";
import { Scope } from "../../base/scope.ts";
import type { ImageUses } from "../../core/gc/image-uses.ts";
import type { Images } from "../../core/images/images.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import type { HostFacts } from "../../linux/host-facts.ts";
import type { HostPaths } from "../../linux/host-paths.ts";
import { decodeHealthAction, type DecodedCreate } from "../../specs/engine/container.decode.ts";
import type {
  ContainerConfig,
  ContainerCreateResponse,
  HealthAction,
  HostConfig,
} from "../../specs/engine/container.ts";
import { planAttachments } from "../networks/attachments.ts";
import { ratesOf } from "../networks/change-rates.ts";
import { checkLinks } from "../networks/links.ts";
import type { NetworkParts } from "../networks/network-parts.ts";
import { announceVolume } from "../volumes/announce-volume.ts";
import { announce, type EventSink } from "./announce.ts";
import type { Container } from "./container.ts";
import { atCreation, atStart, type ContainerDefaults } from "./container-defaults.ts";
import { bringVolumes, type BringVolumesDeps, checkVolumes } from "./bring-volumes.ts";
import { discardMissing } from "./discard-missing.ts";
import { checkLogSocket, effectiveLogConfig, type LogDeps, logOf } from "./log-options.ts";
import type { MountRequest } from "./mount-request.ts";
import { bringImages, findImages, imageMountsOf, snapshotsOf } from "./mounted-images.ts";
import { checkName, generateName } from "./names.ts";
import { containerPaths } from "./paths.ts";
import { type Lender, parseVolumesFrom, planMounts } from "./plan-mounts.ts";
import type { Replaced } from "./record.ts";
import { checkBindSources } from "./resolve-mounts.ts";
import type { Runtimes } from "./runtimes.ts";
import { checkSpecOptions } from "./spec.ts";
import { type ContainerStore, durabilityOf } from "./store.ts";
import { nowNs } from "./timestamp.ts";
import { checkUserNamespace, idMapsOf, imageShiftOf, type Remap, shiftOf } from "./user-namespace.ts";
import { validateCreate } from "./validate.ts";

export interface CreateDeps extends BringVolumesDeps, LogDeps {
  readonly store: ContainerStore;
  readonly images: Pick<Images, "resolve" | "unpack">;
  readonly imageUses: Pick<ImageUses, "used">;
  readonly snapshots: Pick<
    Snapshotter,
    "sizeOf" | "prepare" | "persist" | "remove" | "view" | "mount" | "describe"
  >;
  readonly events: EventSink;
  readonly facts: HostFacts;
  readonly runtimes: Runtimes;
  readonly defaults: ContainerDefaults;
  readonly remap: Remap | undefined;
  readonly network: Pick<NetworkParts, "networks">;
  readonly hostPaths: HostPaths;
}

const HEALTH_ACTION_LABEL = "gantry.health-on-failure";

export interface CreateOptions {
  /** "" = the host's. */
  readonly platform?: string;
  readonly signal: AbortSignal;
  readonly replaces?: Replaced;
}

/**
 * Makes a container; it does not run yet. Throws `not_found` for an unknown image, `conflict` for a taken name,
 * `invalid_argument`, `not_implemented`.
 *
 * On crash: directory and snapshot come first, the row last. Without its row both are garbage to the next start.
 * On a power cut, too: a row that survives one (all but those of `--rm`) finds its directory and snapshot.
 */
export async function create(
  deps: CreateDeps,
  name: string,
  request: DecodedCreate,
  { platform = "", signal, replaces }: CreateOptions,
): Promise<ContainerCreateResponse> {
  const { resources: wishes, warnings: discarded } = discardMissing(wishesOf(deps, request), deps.facts);
  const given = name === "" ? undefined : checkName(name);
  if (request.config.Image === "" && (request.config.Cmd ?? request.config.Entrypoint ?? []).length === 0)
    throw fail("invalid_argument", "no command specified");
  const host: Platform = { os: "linux", architecture: goArchitecture(deps.facts), variant: "" };
  const wanted = platform === "" ? undefined : parsePlatform(platform, host.architecture);
  const image = deps.images.resolve(request.config.Image, wanted);
  deps.imageUses.used(image.id, Date.now());
  const id = newId();
  const container = deps.store.build({
    id,
    name: given ?? generateName(id, (candidate) => deps.store.isNameTaken(candidate)),
    createdNs: nowNs(),
    imageId: image.id,
    layer: image.layers.at(-1)?.chainId,
    config: request.config,
    host: wishes,
    imageConfig: image.config,
    replaces,
  });
  const warnings = [
    ...discarded,
    ...imageMountWarnings(container),
    ...validateCreate(request.config, container.config, wishes, deps.facts, deps.runtimes),
    ...(wanted === undefined && !runsOn(image, host) ? [otherPlatform(image, host)] : []),
  ];
  const sizeBytes = deps.snapshots.sizeOf(container.host.StorageOpt ?? {});
  container.limitSize(sizeBytes);
  const remap = idMapsOf(container.host, deps.remap);
  checkUserNamespace(container.host, remap);
  checkSpecOptions(
    container.config,
    atStart(container.host, deps.defaults),
    deps.facts,
    deps.defaults.cgroupDriver,
  );
  checkLinks(deps.store, container.host);
  const attachments = planAttachments(deps.network.networks, {
    container: id,
    networkMode: container.host.NetworkMode,
    endpoints: request.networks,
    macAddress: request.macAddress,
    rates: ratesOf(container.host),
  });
  const paths = containerPaths(deps.containersDir, id);
  checkLogSocket(logOf(deps, container));
  const planned = mountsOf(deps.store, container, replaces);
  if (planned.length > 0) {
    checkVolumes(deps.volumes, planned);
    await checkBindSources(deps.hostPaths, planned);
    container.plan(await findImages(deps.images, planned, { container: id, signal }));
    for (const { image: mounted } of imageMountsOf(container)) deps.imageUses.used(mounted, Date.now());
  }

  await deps.images.unpack(image, signal);

  await using scope = new Scope(`creation of container ${id}`);
  deps.store.reserveName(container.name, id);
  scope.defer("release name", () => deps.store.releaseName(container.name));
  mkdirSync(paths.directory, { mode: 0o710 });
  scope.defer("remove directory", () => rmSync(paths.directory, { recursive: true, force: true }));
  await deps.snapshots.prepare(id, container.record.layer, shiftOf(remap), sizeBytes);
  scope.defer("remove snapshot", () => deps.snapshots.remove(id));
  if (planned.length > 0)
    container.plan(await bringImages(deps, container.mounts, { scope, shift: imageShiftOf(remap) }));
  const brought = await bringVolumes(deps, container, { scope, idMaps: remap });
  if (planned.length > 0) container.plan(brought.mounts);
  if (!container.host.AutoRemove)
    await Promise.all([
      ...snapshotsOf(container).map((snapshot) => deps.snapshots.persist(snapshot)),
      syncDirectory(deps.containersDir),
    ]);
  for (const volume of brought.staged) await volume.place(durabilityOf(container));
  deps.store.add(container, (durability) => {
    for (const attachment of attachments) deps.network.networks.attach(attachment, durability);
    for (const volume of brought.staged) volume.enter(durability);
  });
  scope.release();

  for (const { volume } of brought.staged) announceVolume(deps.events, volume, "create");
  await letGo(deps.volumes, container);
  announce(deps.events, container, "create");
  return { Id: id, Warnings: warnings };
}

/** The request with what the daemon has it mean, to be kept with the container. */
function wishesOf(deps: CreateDeps, request: DecodedCreate): HostConfig {
  return {
    ...request.host,
    ...atCreation(request.host, deps.facts.cgroup.version, deps.defaults),
    NetworkMode: sharedMode(deps.store, request.host.NetworkMode),
    PidMode: sharedMode(deps.store, request.host.PidMode),
    IpcMode: sharedMode(deps.store, request.host.IpcMode || deps.defaults.ipcMode),
    HealthOnFailure: request.host.HealthOnFailure || healthActionOf(request.config),
    LogConfig: effectiveLogConfig(request.host.LogConfig, deps.logging.defaults),
  };
}

/**
 * Clients that know nothing of the field say it with a label. An image's label does not count: what is done to a container is
 * not for its image to say.
 */
function healthActionOf({ Labels }: ContainerConfig): HealthAction {
  return decodeHealthAction(Labels?.[HEALTH_ACTION_LABEL] ?? "");
}

/** Docker's words. */
function imageMountWarnings({ host }: Container): readonly string[] {
  return (host.Mounts ?? [])
    .filter(({ Type }) => Type === "image")
    .map(() => "Image mount is an experimental feature");
}

/** All that it has; of one that takes another's place what that one has, anonymous volumes, too. */
function mountsOf(
  store: ContainerStore,
  { mounts, config, host }: Container,
  replaces: Replaced | undefined,
): readonly MountRequest[] {
  const replaced = replaces && store.get(replaces.id);
  return replaced === undefined
    ? planMounts(mounts, lendersOf(store, host.VolumesFrom ?? []), config, host)
    : planMounts(replaced.mounts, [], config, host);
}

/** Throws `invalid_argument` for containers that are not there, as `sharedMode`. */
function lendersOf(store: ContainerStore, volumesFrom: readonly string[]): readonly Lender[] {
  return volumesFrom.map((text) => {
    const { container, readOnly } = parseVolumesFrom(text);
    try {
      return { mounts: store.find(container).mounts, readOnly };
    } catch (error) {
      throw fail("invalid_argument", messageOf(error), error);
    }
  });
}

/** Its row says from here on what it has. */
async function letGo(volumes: CreateDeps["volumes"], { id, mounts }: Container): Promise<void> {
  for (const { mount } of mounts) if (mount.kind === "volume") await volumes.release(mount.name, id);
}

/** Docker's words. An emulator may run it all the same. */
function otherPlatform(image: Platform, host: Platform): string {
  return `The requested image's platform (${platformText(image)}) does not match the detected host platform (${platformText(host)}) and no specific platform was requested`;
}

/**
 * A container whose namespace is to be shared must be there; it is remembered by its id. Throws `invalid_argument`, not
 * `not_found`: clients take that for a missing image.
 */
function sharedMode(store: ContainerStore, mode: string): string {
  if (!mode.startsWith("container:")) return mode;
  try {
    return `container:${store.find(mode.slice("container:".length)).id}`;
  } catch (error) {
    throw fail("invalid_argument", messageOf(error), error);
  }
}

/** 64 hexadecimal digits whose short form is not a number, so that no tool takes it for one. */
function newId(): string {
  for (;;) {
    const id = randomBytes(32).toString("hex");
    if (/[a-f]/.test(id.slice(0, 12))) return id;
  }
}
