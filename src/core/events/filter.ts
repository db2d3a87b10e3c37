/** Which events a set of filters lets through: Docker's rules (moby, daemon/events/filter.go), with their oddities. */
import type { EventMessage } from "../../specs/engine/system.ts";
import type { EventFilters } from "./events.ts";

/** Filters that compare with the beginning of the actor's id or name, whatever type the event is of. */
const NAME_FILTERS = [
  "daemon",
  "container",
  "plugin",
  "volume",
  "network",
  "node",
  "service",
  "secret",
  "config",
] as const;

/** Actions that carry more behind a colon; asking for one without it means all of them. */
const ACTIONS_WITH_DETAIL = ["health_status", "exec_create", "exec_start"] as const;

/** Several values of one filter are alternatives (labels: all must hold); all filters must hold. */
export function matches(filters: EventFilters, event: EventMessage): boolean {
  const { ID, Attributes } = event.Actor;
  const attributes = new Map(Object.entries(Attributes));
  const name = attributes.get("name") ?? "";
  return (
    matchesAction(filters, event.Action) &&
    isOneOf(filters, "type", event.Type) &&
    isOneOf(filters, "scope", event.scope) &&
    NAME_FILTERS.every((key) => beginsWithOneOf(filters, key, ID) || beginsWithOneOf(filters, key, name)) &&
    matchesImage(filters, event, attributes) &&
    matchesLabels(filters, attributes)
  );
}

/** True, too, when there is no such filter. */
function isOneOf(filters: EventFilters, key: string, value: string): boolean {
  const wanted = filters.get(key);
  return wanted === undefined || wanted.size === 0 || wanted.has(value);
}

function beginsWithOneOf(filters: EventFilters, key: string, value: string): boolean {
  return (
    isOneOf(filters, key, value) || [...(filters.get(key) ?? [])].some((prefix) => value.startsWith(prefix))
  );
}

function matchesAction(filters: EventFilters, action: string): boolean {
  const wanted = filters.get("event");
  return ACTIONS_WITH_DETAIL.some((each) => wanted?.has(each))
    ? beginsWithOneOf(filters, "event", action)
    : isOneOf(filters, "event", action);
}

/** Of image events the image itself, of container events the one they were made from; with or without its tag. */
function matchesImage(
  filters: EventFilters,
  event: EventMessage,
  attributes: ReadonlyMap<string, string>,
): boolean {
  const { ID } = event.Actor;
  const name = attributes.get(event.Type === "image" ? "name" : "image") ?? "";
  return [ID, name, withoutTag(ID), withoutTag(name)].some((each) => isOneOf(filters, "image", each));
}

/** "docker.io/library/alpine:3" and "alpine@sha256:…" → "alpine". */
function withoutTag(reference: string): string {
  const [name = ""] = reference.split("@");
  const colon = name.indexOf(":", name.lastIndexOf("/") + 1);
  return (colon < 0 ? name : name.slice(0, colon)).replace(/^docker\.io\/(library\/)?/, "");
}

/** Values are "name" or "name=value"; all of them must hold. */
function matchesLabels(filters: EventFilters, attributes: ReadonlyMap<string, string>): boolean {
  return [...(filters.get("label") ?? [])].every((wanted) => {
    const equals = wanted.indexOf("=");
    if (equals < 0) return attributes.has(wanted);
    return attributes.get(wanted.slice(0, equals)) === wanted.slice(equals + 1);
  });
}
