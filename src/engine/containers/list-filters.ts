/**
 * Filters of `ps` and prune. Values of one key are alternatives, except labels, which must all match; keys are combined.
 * A name filter is a pattern in Docker; patterns of users are not run as regular expressions here (one could stall the
 * daemon), so `^`, `$` and `.*` at the ends are understood and the rest is literal text.
 */
import { fail } from "../../base/errors.ts";
import type { Images } from "../../core/images/images.ts";
import type { Filters } from "../../specs/engine/container.ts";
import { booleanFilter } from "../../specs/engine/filters.decode.ts";
import type { NetworkParts } from "../networks/network-parts.ts";
import type { Container } from "./container.ts";
import { mountPoints } from "./documents.ts";
import { countsAsRunning } from "./state.ts";
import type { ContainerStore } from "./store.ts";

export const LIST_FILTERS = [
  "ancestor",
  "before",
  "exited",
  "expose",
  "health",
  "id",
  "is-task",
  "isolation",
  "label",
  "name",
  "network",
  "publish",
  "since",
  "status",
  "volume",
] as const;

export interface FilterDeps {
  readonly store: ContainerStore;
  readonly images: Pick<Images, "resolve">;
  readonly network: Pick<NetworkParts, "networks">;
}

type Test = (container: Container) => boolean;

const STATUSES = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];

/** Checks the values once. Throws `invalid_argument`, or `not_found` for `before` and `since` of unknown containers. */
export function prepareFilters(deps: FilterDeps, filters: Filters): readonly Test[] {
  const tests: Test[] = [];
  for (const [key, values] of filters) {
    if (values.length === 0) continue;
    tests.push(prepare(deps, key, values));
  }
  return tests;
}

export function matchesFilters(container: Container, tests: readonly Test[]): boolean {
  return tests.every((test) => test(container));
}

function prepare(deps: FilterDeps, key: string, values: readonly string[]): Test {
  switch (key) {
    case "ancestor": {
      const ids = new Set(values.flatMap((value) => resolvedId(deps.images, value)));
      return (container) => ids.has(container.record.imageId);
    }
    case "before": {
      const limits = values.map((value) => deps.store.find(value).record.createdNs);
      return (container) => limits.some((limit) => container.record.createdNs < limit);
    }
    case "since": {
      const limits = values.map((value) => deps.store.find(value).record.createdNs);
      return (container) => limits.some((limit) => container.record.createdNs > limit);
    }
    case "exited": {
      const codes = values.map((value) => {
        if (!/^[+-]?\d{1,9}$/.test(value))
          throw fail(
            "invalid_argument",
            `invalid filter 'exited=${value}': strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`,
          );
        return Number(value);
      });
      return ({ state }) =>
        !countsAsRunning(state.status) && state.startedNs !== 0n && codes.includes(state.exitCode);
    }
    case "status":
      for (const value of values)
        if (!STATUSES.includes(value)) throw fail("invalid_argument", `invalid filter 'status=${value}'`);
      return ({ state }) => values.includes(state.status);
    case "health":
      for (const value of values)
        if (!["starting", "healthy", "unhealthy", "none"].includes(value))
          throw fail("invalid_argument", `unrecognized filter value for health: ${value}`);
      return ({ state }) => values.includes(state.health?.status ?? "none");
    case "id":
      return (container) => values.some((value) => container.id.startsWith(value));
    case "name":
      return (container) => values.some((value) => matchesName(container.name, value));
    case "label":
      return (container) => values.every((value) => matchesLabel(container.config.Labels ?? {}, value));
    case "network":
      return ({ id }) =>
        deps.network.networks
          .attachments(id)
          .some(({ network, networkId }) => values.includes(network) || values.includes(networkId));
    case "volume":
      return (container) =>
        mountPoints(container).some(
          ({ Destination, Name, Source }) => values.includes(Destination) || values.includes(Name ?? Source),
        );
    case "expose":
      checkPorts(key, values);
      return ({ config }) =>
        Object.keys(config.ExposedPorts ?? {}).some((port) => values.some((value) => samePort(port, value)));
    case "publish":
      checkPorts(key, values);
      return ({ id }) =>
        deps.network.networks
          .endpointsIn(id)
          .flatMap(({ ports }) => ports)
          .some(({ hostPort, protocol }) =>
            values.some((value) => samePort(`${hostPort}/${protocol}`, value)),
          );
    case "is-task": {
      const isWanted = booleanFilter(new Map([[key, values]]), key);
      return () => isWanted === false;
    }
    default:
      return () => values.includes("default");
  }
}

function resolvedId(images: Pick<Images, "resolve">, reference: string): readonly string[] {
  try {
    return [images.resolve(reference).id];
  } catch {
    return []; // as Docker: an unknown image simply has no containers
  }
}

export function matchesName(name: string, pattern: string): boolean {
  let text = pattern;
  const isStart = text.startsWith("^");
  if (isStart) text = text.slice(1);
  const isEnd = text.endsWith("$");
  if (isEnd) text = text.slice(0, -1);
  if (text.startsWith("/")) text = text.slice(1);
  const literal = text.replaceAll(".*", "").replaceAll("\\", "");
  if (isStart && isEnd) return name === literal;
  if (isStart) return name.startsWith(literal);
  return isEnd ? name.endsWith(literal) : name.includes(literal);
}

/** "key" or "key=value". */
export function matchesLabel(labels: Readonly<Record<string, string>>, filter: string): boolean {
  const at = filter.indexOf("=");
  const key = at < 0 ? filter : filter.slice(0, at);
  return Object.hasOwn(labels, key) && (at < 0 || labels[key] === filter.slice(at + 1));
}

function checkPorts(key: string, values: readonly string[]): void {
  for (const value of values) {
    const [, first, last = first] = PORTS.exec(value) ?? [];
    if (first === undefined)
      throw fail(
        "invalid_argument",
        `error while looking up for ${key} ${value}: strconv.ParseUint: parsing ${JSON.stringify(value)}: invalid syntax`,
      );
    if (Number(last) < Number(first))
      throw fail(
        "invalid_argument",
        `error while looking up for ${key} ${value}: invalid range specified for the Port: ${first}-${last}`,
      );
  }
}

/** "80", "80/tcp" or "80-90/tcp". */
const PORTS = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(\w+))?$/;

/** Against an exposed "80/tcp". */
function samePort(port: string, filter: string): boolean {
  const exposed = /^(\d{1,5})\/(\w+)$/.exec(port);
  const wanted = PORTS.exec(filter);
  if (exposed === null || wanted === null || exposed[2] !== (wanted[3] ?? "tcp")) return false;
  const number = Number(exposed[1]);
  return number >= Number(wanted[1]) && number <= Number(wanted[2] ?? wanted[1]);
}
