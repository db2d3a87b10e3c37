/**
 * POST /containers/{id}/recreate: a new container in the place of one, with its name, mounts and networks, made from what its
 * user asked for and what is to be different now.
 *
 *     make      the new one, under a name of its own; its row says whom it replaces
 *     stop      the old one, when it runs
 *     swap      their names, in one step
 *     start     the new one, when the old one ran
 *     remove    the old one: from here on the new one is it
 *
 * What fails before the last step is taken back: the old one has its name again, and runs if it ran.
 *
 * On crash: a container that says whom it replaces while that one is still there has not taken its place; the next start takes
 * it back (`takeAllBack`).
 */
import { fail, GantryError, isCategory, messageOf } from "../../base/errors.ts";
import type { ContainerCreateResponse } from "../../specs/engine/container.ts";
import { emptyMap } from "../../specs/engine/fields.decode.ts";
import type { EndpointConfig } from "../../specs/engine/network.ts";
import type { RecreateRequest } from "../../specs/engine/recreate.ts";
import { announce } from "./announce.ts";
import type { Container } from "./container.ts";
import { type CreateDeps, create } from "./create.ts";
import { recreatedConfig } from "./recreated-config.ts";
import { endForGood, remove, removeContainer } from "./remove.ts";
import { type StartDeps, start } from "./start.ts";
import { countsAsRunning } from "./state.ts";
import { type StopDeps, type StopRequest, stop } from "./stop.ts";

export type RecreateDeps = CreateDeps & StartDeps & StopDeps;

export interface RecreateOptions {
  readonly stop: StopRequest;
  readonly platform: string;
  readonly signal: AbortSignal;
}

/** Throws what create, stop and start do, and `conflict` for a container that nothing can take the place of now. */
export async function recreate(
  deps: RecreateDeps,
  old: Container,
  request: RecreateRequest,
  options: RecreateOptions,
): Promise<ContainerCreateResponse> {
  return await deps.locks.run(`recreate ${old.id}`, async () => {
    try {
      checkReplaceable(deps, old);
      const made = await make(deps, old, request, options);
      const next = deps.store.find(made.Id);
      await deps.locks
        .run(old.id, () => takePlace(deps, old, next, options.stop))
        .catch((error: unknown) => giveUp(deps, next, error));
      forgetReplaced(deps, next);
      return made;
    } catch (error) {
      const category = error instanceof GantryError ? error.category : "internal";
      throw fail(category, `cannot recreate container ${old.name}: ${messageOf(error)}`, error);
    }
  });
}

function checkReplaceable({ store }: RecreateDeps, old: Container): void {
  const refuse = (why: string): never => {
    throw fail("conflict", why);
  };
  const { status } = old.state;
  if (store.get(old.id) !== old || status === "removing" || status === "dead")
    refuse("it is marked for removal");
  if (status === "paused") refuse("it is paused and must be unpaused first");
  if (old.host.AutoRemove) refuse("it would be gone when it has been stopped (--rm)");
  if (old.record.replaces !== undefined) refuse("it is about to take another's place itself");
  for (const { name, host } of store.all())
    if ([host.NetworkMode, host.PidMode, host.IpcMode].includes(`container:${old.id}`))
      refuse(`container ${name} shares its namespaces and would lose them`);
}

async function make(
  deps: RecreateDeps,
  old: Container,
  request: RecreateRequest,
  { platform, signal }: RecreateOptions,
): Promise<ContainerCreateResponse> {
  const { record } = old;
  const Image = imageOf(deps, old, request);
  const { config } = deps.images.resolve(Image);
  const networks = emptyMap<EndpointConfig | null>();
  for (const attachment of deps.network.networks.attachments(old.id))
    networks[attachment.network] = attachment.config;
  const wasRunning = countsAsRunning(old.state.status);
  return create(
    deps,
    "",
    {
      config: recreatedConfig(record.config, { ...request, Image }, config?.Env ?? null),
      host: record.host,
      networks,
      macAddress: "",
    },
    { platform, signal, replaces: { id: old.id, name: old.name, wasRunning } },
  );
}

/** What the container's image is called means what it means now; when it means nothing any more, the image itself is taken. */
function imageOf({ images }: RecreateDeps, { record }: Container, { Image }: RecreateRequest): string {
  if (Image !== "") return Image;
  try {
    images.resolve(record.config.Image);
    return record.config.Image;
  } catch (error) {
    if (isCategory(error, "not_found")) return record.imageId;
    throw error;
  }
}

/** The caller holds the lock of the old one: nobody removes or starts it meanwhile. */
async function takePlace(
  deps: RecreateDeps,
  old: Container,
  next: Container,
  request: StopRequest,
): Promise<void> {
  checkReplaceable(deps, old);
  if (countsAsRunning(old.state.status)) await stop(deps, old, request);
  await old.settling;
  swapNames(deps, old, next);
  if (next.record.replaces?.wasRunning === true) await start(deps, next);
  await removeContainer(deps, old, { volumes: false });
}

function swapNames(deps: RecreateDeps, one: Container, other: Container): void {
  const before = [one.name, other.name];
  deps.store.swapNames(one, other);
  for (const [at, container] of [one, other].entries())
    announce(deps.events, container, "rename", { oldName: `/${before[at] ?? ""}` });
}

async function giveUp(deps: RecreateDeps, next: Container, error: unknown): Promise<never> {
  try {
    await takeBack(deps, next);
  } catch (second) {
    const category = error instanceof GantryError ? error.category : "internal";
    throw fail(
      category,
      `${messageOf(error)}; and what it replaces cannot be put back: ${messageOf(second)}`,
      error,
    );
  }
  throw error;
}

/** May be called again after it failed or was broken off anywhere. The old one runs before the new one, which says that it has to, goes. */
async function takeBack(deps: RecreateDeps, next: Container): Promise<void> {
  const { replaces } = next.record;
  if (replaces === undefined || deps.store.get(next.id) !== next) return;
  const old = deps.store.get(replaces.id);
  if (old === undefined) {
    forgetReplaced(deps, next);
    return;
  }
  await deps.locks.run(next.id, () => endForGood(deps, next));
  await next.settling;
  if (next.name === replaces.name) swapNames(deps, old, next);
  try {
    if (replaces.wasRunning && !countsAsRunning(old.state.status)) await start(deps, old);
  } finally {
    await remove(deps, next, { force: true, volumes: true });
  }
}

function forgetReplaced({ store }: RecreateDeps, next: Container): void {
  if (store.get(next.id) !== next) return;
  const { record, config, host } = next;
  store.change(next, { record: { ...record, replaces: undefined }, config, host }, () => {});
}

/** At the start of the daemon, when everything else is as the store says. What cannot be taken back is said in the log. */
export async function takeAllBack(deps: RecreateDeps): Promise<void> {
  for (const container of deps.store.all()) {
    if (container.record.replaces === undefined) continue;
    try {
      await takeBack(deps, container);
    } catch (error) {
      deps.log.error("cannot put back a container that was to be replaced", {
        id: container.record.replaces.id,
        error: messageOf(error),
      });
    }
  }
}
