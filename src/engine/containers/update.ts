/** POST /containers/{id}/update: of containers that run, and of those that do not. All of it happens, or nothing. */
import { fail, GantryError, messageOf } from "../../base/errors.ts";
import type { KeyedLock } from "../../base/keyed-lock.ts";
import type { Logger } from "../../base/log.ts";
import type { Task } from "../../core/tasks/tasks.ts";
import type { ContainerUpdateRequest, ContainerUpdateResponse } from "../../specs/engine/update.ts";
import { changePorts, wantsPorts, withPorts } from "../networks/change-ports.ts";
import { changeRates } from "../networks/change-rates.ts";
import type { NetworkParts } from "../networks/network-parts.ts";
import type { HostFacts } from "../../linux/host-facts.ts";
import { announce, type EventSink } from "./announce.ts";
import { discardMissing } from "./discard-missing.ts";
import { changeLimits } from "./change-limits.ts";
import type { Container } from "./container.ts";
import type { LiveChange } from "./live-change.ts";
import type { ContainerRecord } from "./record.ts";
import type { ContainerStore } from "./store.ts";
import { checkResources, withResources } from "./update-resources.ts";
import { checkOwnNetwork, checkRates, checkRestartPolicy } from "./validate.ts";

export interface UpdateDeps {
  readonly store: ContainerStore;
  readonly locks: KeyedLock;
  readonly network: NetworkParts;
  readonly facts: Pick<HostFacts, "cpuCount" | "memoryNodes" | "missingLimits">;
  readonly events: EventSink;
  readonly log: Logger;
}

const DEADLINE_MS = 60_000;

/** Throws `invalid_argument`, `conflict`, `unavailable`; then everything is as it was. */
export async function update(
  deps: UpdateDeps,
  container: Container,
  asked: ContainerUpdateRequest,
): Promise<ContainerUpdateResponse> {
  const { resources, warnings: discarded } = discardMissing(asked.resources, deps.facts);
  const request = { ...asked, resources };
  const unchanged = checkResources(resources, deps.facts);
  checkRestartPolicy(request.RestartPolicy);
  return await deps.locks.run(container.id, async () => {
    try {
      checkUpdatable(deps, container, request);
      const wanted = deps.store.build(updatedRecord(deps, container, request));
      checkRates(wanted.host);
      const warnings = [...discarded, ...unchanged, ...(await change(deps, container, wanted))];
      announce(deps.events, container, "update");
      return { Warnings: warnings.length === 0 ? null : warnings };
    } catch (error) {
      const category = error instanceof GantryError ? error.category : "internal";
      throw fail(category, `Cannot update container ${container.id}: ${messageOf(error)}`, error);
    }
  });
}

function checkUpdatable(
  { store }: UpdateDeps,
  container: Container,
  { RestartPolicy, Networking }: ContainerUpdateRequest,
): void {
  const { status } = container.state;
  if (store.get(container.id) !== container || status === "removing" || status === "dead")
    throw fail("conflict", `container is marked for removal and cannot be "update"`);
  if (container.host.AutoRemove && !["", "no"].includes(RestartPolicy.Name))
    throw fail(
      "conflict",
      "Restart policy cannot be updated because AutoRemove is enabled for the container",
    );
  if (wantsPorts(Networking)) checkOwnNetwork("port publishing", container.host.NetworkMode);
}

/** What is asked for from now on. */
function updatedRecord(
  { network }: UpdateDeps,
  container: Container,
  { resources, RestartPolicy, Networking }: ContainerUpdateRequest,
): ContainerRecord {
  const { config, host, ...record } = withPorts(network.networks, container, Networking);
  const { RateIn, RateOut } = Networking;
  return {
    ...record,
    config,
    host: {
      ...host,
      ...withResources(container.host, resources),
      RestartPolicy: RestartPolicy.Name === "" ? host.RestartPolicy : RestartPolicy,
      NetRateIn: RateIn ?? host.NetRateIn,
      NetRateOut: RateOut ?? host.NetRateOut,
    },
  };
}

/** Returns warnings. */
async function change(deps: UpdateDeps, container: Container, wanted: Container): Promise<readonly string[]> {
  const { task } = container;
  if (task === undefined) {
    deps.store.change(container, wanted, () => {});
    return [];
  }
  const limits = changeLimits(deps.store, container, wanted, task);
  const rates = changeRates(deps.network, container, wanted);
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const ports = await changePorts(deps.network, container, wanted, { task, signal });
  await changeRunning(deps, container, { wanted, task, parts: [...limits, ...rates, ...ports.parts] });
  return ports.warnings;
}

/**
 * On crash: what is asked for and what there is are written together, so either all of it was asked for or nothing; the next
 * start does as is written (`adoptNetworks`).
 */
async function changeRunning(
  deps: UpdateDeps,
  container: Container,
  {
    wanted,
    task,
    parts,
  }: { readonly wanted: Container; readonly task: Task; readonly parts: readonly LiveChange[] },
): Promise<void> {
  const { record, config, host } = container;
  const runs = (): boolean => container.task === task;
  // One that has ended meanwhile has nothing any more; tells whether that was so.
  const write = (which: "before" | "after"): boolean => {
    const isRunning = runs();
    deps.store.change(container, which === "after" ? wanted : { record, config, host }, () => {
      if (isRunning) for (const part of parts) part.write(which);
    });
    return isRunning;
  };
  let isWritten: boolean | undefined;
  try {
    isWritten = write("after");
    for (const part of parts) await part.enforce();
  } catch (error) {
    if (isWritten === undefined || runs()) {
      await goBack(deps, container, write, parts);
      throw error;
    }
  }
  for (const part of parts) {
    if (isWritten) part.settle();
    else await part.undo();
  }
}

async function goBack(
  { log }: UpdateDeps,
  { id }: Container,
  write: (which: "before") => unknown,
  parts: readonly LiveChange[],
): Promise<void> {
  try {
    write("before");
    for (const part of parts) await part.undo();
    for (const part of parts) await part.enforce();
  } catch (error) {
    log.error("cannot take an update back", { id, error: messageOf(error) });
  }
}
