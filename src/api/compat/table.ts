/**
 * What API versions see differently: one table for answers, one for the request to create a container. An answer is made for
 * the newest version; then the changes apply whose version the client is too old for, newest first, so that each of them finds
 * the document as its own version left it. (Documents of images are in images.ts: theirs depend on more than the version.)
 */
import { fail } from "../../base/errors.ts";
import type { Mount } from "../../specs/engine/container.ts";
import type { DecodedCreate } from "../../specs/engine/container.decode.ts";
import type { JsonObject } from "../../specs/engine/fields.decode.ts";
import { emptyMap } from "../../specs/engine/fields.decode.ts";

export type AnswerKind = "container" | "containerSummary" | "info";

interface Change<T> {
  /** Clients of this minor version know the change; older ones get the document without it. */
  readonly since: number;
  readonly undo: (document: T) => T;
}

interface AnswerChange extends Change<JsonObject> {
  readonly of: AnswerKind;
}

/** Newest first. */
export const ANSWER_CHANGES: readonly AnswerChange[] = [
  { since: 50, of: "info", undo: (info) => withBridgeFacts(without(info, "DiscoveredDevices")) },
  { since: 49, of: "info", undo: (info) => withExpectedCommits(without(info, "FirewallBackend")) },
  { since: 48, of: "container", undo: (container) => eachEndpoint(container, withoutPriority) },
  { since: 48, of: "containerSummary", undo: (summary) => eachEndpoint(summary, withoutPriority) },
  { since: 46, of: "containerSummary", undo: withoutAnnotations },
  { since: 45, of: "container", undo: withIdAsAlias },
  { since: 25, of: "info", undo: withBareSecurityOptions },
];

/** Newest first. What an older client cannot have meant, and what it took for the default. */
export const CREATE_CHANGES: readonly Change<DecodedCreate>[] = [
  {
    since: 48,
    undo: (request) =>
      refuseMounts(request, ({ Type }) => Type === "image", `Mount type "Image" needs API v1.48`),
  },
  {
    since: 45,
    undo: (request) =>
      refuseMounts(
        request,
        ({ VolumeOptions }) => (VolumeOptions?.Subpath ?? "") !== "",
        "VolumeOptions.Subpath needs API v1.45",
      ),
  },
  {
    // There was one way to be read-only: not for what is mounted below.
    since: 44,
    undo: (request) =>
      eachBind(request, (bind) => ({
        ...bind,
        ReadOnlyNonRecursive: bind.NonRecursive,
        ReadOnlyForceRecursive: false,
      })),
  },
  {
    since: 44,
    undo: (request) => {
      const { Healthcheck } = request.config;
      if (Healthcheck === null) return request;
      return { ...request, config: { ...request.config, Healthcheck: { ...Healthcheck, StartInterval: 0 } } };
    },
  },
  { since: 43, undo: (request) => withHost(request, { Annotations: null }) },
  { since: 42, undo: (request) => withHost(request, { ConsoleSize: [0, 0] }) },
  { since: 42, undo: (request) => eachBind(request, (bind) => ({ ...bind, CreateMountpoint: false })) },
  { since: 40, undo: (request) => eachBind(request, (bind) => ({ ...bind, NonRecursive: false })) },
  { since: 40, undo: (request) => withHost(request, { DeviceRequests: null }) },
  {
    // Others could join its memory unless it said otherwise.
    since: 40,
    undo: (request) => (request.host.IpcMode === "" ? withHost(request, { IpcMode: "shareable" }) : request),
  },
  { since: 25, undo: (request) => withHost(request, { AutoRemove: false }) },
];

export function answerFor(kind: AnswerKind, minor: number, document: object): JsonObject {
  let answer: JsonObject = Object.assign(emptyMap<unknown>(), document);
  for (const { since, of, undo } of ANSWER_CHANGES) if (of === kind && minor < since) answer = undo(answer);
  return answer;
}

export function createRequestFor(minor: number, request: DecodedCreate): DecodedCreate {
  return CREATE_CHANGES.reduce((asked, { since, undo }) => (minor < since ? undo(asked) : asked), request);
}

function refuseMounts(
  request: DecodedCreate,
  isNewer: (mount: Mount) => boolean,
  message: string,
): DecodedCreate {
  if (request.host.Mounts?.some(isNewer)) throw fail("invalid_argument", `${message} or newer`);
  return request;
}

function without(document: JsonObject, key: string): JsonObject {
  const { [key]: _, ...rest } = document;
  return rest;
}

function objectAt(document: JsonObject, key: string): JsonObject {
  const value = document[key];
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.assign(emptyMap<unknown>(), value)
    : {};
}

/** Docker asked the kernel; this engine's networks do not depend on it, so that they always are as if it were on. */
function withBridgeFacts(info: JsonObject): JsonObject {
  return { ...info, BridgeNfIptables: true, BridgeNfIp6tables: true };
}

/** Programs were compared with what the engine had been built for; what it has it has been built with. */
function withExpectedCommits(info: JsonObject): JsonObject {
  const expected = (key: string): JsonObject => {
    const commit = objectAt(info, key);
    return { ...commit, Expected: commit["ID"] };
  };
  return {
    ...info,
    ContainerdCommit: expected("ContainerdCommit"),
    RuncCommit: expected("RuncCommit"),
    InitCommit: expected("InitCommit"),
    RegistryConfig: {
      AllowNondistributableArtifactsCIDRs: null,
      AllowNondistributableArtifactsHostnames: null,
      ...objectAt(info, "RegistryConfig"),
    },
  };
}

/** "name=seccomp,profile=builtin" → "seccomp". */
function withBareSecurityOptions(info: JsonObject): JsonObject {
  const options = info["SecurityOptions"];
  const names = Array.isArray(options)
    ? options.map((option: unknown) => /^name=([^,]*)/.exec(String(option))?.[1] ?? String(option))
    : [];
  return { ...info, SecurityOptions: names, ExecutionDriver: "<not supported>" };
}

function eachEndpoint(
  document: JsonObject,
  change: (endpoint: JsonObject, network: string) => JsonObject,
): JsonObject {
  const settings = objectAt(document, "NetworkSettings");
  const networks = objectAt(settings, "Networks");
  const changed = emptyMap<unknown>();
  for (const name of Object.keys(networks)) changed[name] = change(objectAt(networks, name), name);
  return { ...document, NetworkSettings: { ...settings, Networks: changed } };
}

function withoutPriority(endpoint: JsonObject): JsonObject {
  return without(endpoint, "GwPriority");
}

function withoutAnnotations(summary: JsonObject): JsonObject {
  return { ...summary, HostConfig: without(objectAt(summary, "HostConfig"), "Annotations") };
}

const PREDEFINED: ReadonlySet<string> = new Set(["bridge", "host", "none"]);

/** In a user's network a container was also known by its short id, and that was said among its aliases. */
function withIdAsAlias(container: JsonObject): JsonObject {
  const id = String(container["Id"]).slice(0, 12);
  const hostname = objectAt(container, "Config")["Hostname"];
  return eachEndpoint(container, (endpoint, network) => {
    if (PREDEFINED.has(network)) return endpoint;
    const given: unknown = endpoint["Aliases"];
    const names = new Set([...(Array.isArray(given) ? given.map(String) : []), id, String(hostname)]);
    return { ...endpoint, Aliases: [...names].filter((name) => name !== "") };
  });
}

function withHost(request: DecodedCreate, change: Partial<DecodedCreate["host"]>): DecodedCreate {
  return { ...request, host: { ...request.host, ...change } };
}

type BindOptions = NonNullable<NonNullable<DecodedCreate["host"]["Mounts"]>[number]["BindOptions"]>;

function eachBind(request: DecodedCreate, change: (bind: BindOptions) => BindOptions): DecodedCreate {
  const { Mounts } = request.host;
  if (Mounts === null) return request;
  return withHost(request, {
    Mounts: Mounts.map((mount) =>
      mount.BindOptions === null ? mount : { ...mount, BindOptions: change(mount.BindOptions) },
    ),
  });
}
