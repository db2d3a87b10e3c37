/** GET /containers/json: newest first, filtered. Reads a snapshot; never waits for a lock. */
import type { ContainerSummary, Filters } from "../../specs/engine/container.ts";
import { type Membership, networkSummaries, portSummaries } from "../networks/endpoint-documents.ts";
import { membershipsOf } from "../networks/places.ts";
import type { Container } from "./container.ts";
import { commandOf, mountPoints } from "./documents.ts";
import { type InspectDeps, sizeOf } from "./inspect.ts";
import { matchesFilters, prepareFilters } from "./list-filters.ts";
import type { ContainerRecord } from "./record.ts";
import { countsAsRunning } from "./state.ts";
import { statusText } from "./status-text.ts";
import type { ContainerStore } from "./store.ts";
import { nowNs } from "./timestamp.ts";
import { sortedMap } from "../networks/sorted-map.ts";

export interface ListDeps extends Pick<InspectDeps, "images" | "snapshots" | "network"> {
  readonly store: ContainerStore;
}

export interface ListRequest {
  readonly all: boolean;
  /** The newest `limit`, whatever their state; 0 or less = no limit. */
  readonly limit: number;
  readonly size: boolean;
  readonly filters: Filters;
  readonly signal: AbortSignal;
}

export async function list(deps: ListDeps, request: ListRequest): Promise<readonly ContainerSummary[]> {
  const filters = prepareFilters(deps, request.filters);
  const showsAll =
    request.all || request.limit > 0 || request.filters.has("status") || request.filters.has("exited");
  let chosen = newestFirst(deps.store.all()).filter(
    (container) =>
      (showsAll || countsAsRunning(container.state.status)) && matchesFilters(container, filters),
  );
  if (request.limit > 0) chosen = chosen.slice(0, request.limit);
  const now = nowNs();
  const summaries: ContainerSummary[] = [];
  for (const container of chosen) {
    const summary = summarize(deps, container, now);
    if (!request.size) summaries.push(summary);
    else {
      const { rw, rootFs } = await sizeOf(deps, container, request.signal);
      // A size of nothing is left out, as by Go.
      summaries.push({
        ...summary,
        ...(rw === 0 ? {} : { SizeRw: rw }),
        ...(rootFs === 0 ? {} : { SizeRootFs: rootFs }),
      });
    }
  }
  return summaries;
}

export function newestFirst(containers: Iterable<Container>): Container[] {
  return [...containers].sort((a, b) => Number(b.record.createdNs - a.record.createdNs));
}

function summarize(deps: ListDeps, container: Container, now: bigint): ContainerSummary {
  const { record, state } = container;
  const { Names, Command, Created, Ports, Labels, HostConfig, NetworkSettings } = lastingPart(
    deps,
    container,
  );
  return {
    Id: container.id,
    Names,
    Image: imageShown(deps, container),
    ImageID: record.imageId,
    Command,
    Created,
    Ports,
    Labels,
    State: state.status,
    Status: statusText(state, now),
    HostConfig,
    NetworkSettings,
    Mounts: mountPoints(container),
  };
}

/** What changes only with the container's record or its networks: lists are asked for again and again. */
type LastingPart = Pick<
  ContainerSummary,
  "Names" | "Command" | "Created" | "Ports" | "Labels" | "HostConfig" | "NetworkSettings"
>;

interface Kept {
  readonly record: ContainerRecord;
  readonly memberships: readonly Membership[];
  readonly part: LastingPart;
}

const keptParts = new WeakMap<Container, Kept>();

function lastingPart(deps: ListDeps, container: Container): LastingPart {
  const memberships = membershipsOf(deps.network.networks, container.id);
  const kept = keptParts.get(container);
  if (kept?.record === container.record && areSame(kept.memberships, memberships)) return kept.part;
  const part = makeLastingPart(container, memberships);
  keptParts.set(container, { record: container.record, memberships, part });
  return part;
}

/** Records are never changed, but replaced. */
function areSame(some: readonly Membership[], others: readonly Membership[]): boolean {
  return (
    some.length === others.length &&
    some.every(
      ({ attachment, endpoint }, at) =>
        attachment === others[at]?.attachment && endpoint === others[at]?.endpoint,
    )
  );
}

function makeLastingPart(
  { record, config, host }: Container,
  memberships: readonly Membership[],
): LastingPart {
  const { path, args } = commandOf(config);
  return {
    Names: [`/${record.name}`],
    Command: [path, ...args.map(quoteArgument)].join(" "),
    Created: Number(record.createdNs / 1_000_000_000n),
    Ports: portSummaries(memberships.flatMap(({ endpoint }) => endpoint ?? [])),
    Labels: sortedMap(Object.entries(config.Labels ?? {})),
    HostConfig: {
      NetworkMode: host.NetworkMode,
      ...(host.Annotations === null ? {} : { Annotations: host.Annotations }),
    },
    NetworkSettings: { Networks: networkSummaries(memberships) },
  };
}

/** What the user wrote, unless that name means another image by now. */
function imageShown(deps: ListDeps, container: Container): string {
  const asked = container.config.Image;
  try {
    if (deps.images.resolve(asked).id === container.record.imageId) return asked;
  } catch {
    // untagged since: the id is what is left
  }
  return container.record.imageId;
}

/** As Docker: arguments with a blank are shown in single quotes. */
function quoteArgument(argument: string): string {
  return argument.includes(" ") ? `'${argument}'` : argument;
}
