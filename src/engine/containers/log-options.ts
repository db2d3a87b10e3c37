/** `--log-driver` and `--log-opt`: the container's log, as the shim is told of it and as it is read and sent away. */
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { fail, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { checkLogOptions, planLog } from "../../core/logging/log-drivers.ts";
import type { LogFacts, RenderTemplate } from "../../core/logging/log-facts.ts";
import type { ForwardedLog, LogForwarding } from "../../core/logging/forwarding.ts";
import type { Endpoint, RemoteLog } from "../../core/logging/remote-log.ts";
import type { LogSink, Task } from "../../core/tasks/tasks.ts";
import type { LogConfig } from "../../specs/engine/container.ts";
import { emptyMap } from "../../specs/engine/fields.decode.ts";
import type { Container } from "./container.ts";
import { commandOf } from "./documents.ts";
import { containerPaths } from "./paths.ts";

export interface LogDeps {
  readonly containersDir: string;
  readonly logging: LogSettings;
}

export interface LogSettings {
  /** Of containers that name no driver, and the options of those that name this one. */
  readonly defaults: LogConfig;
  readonly renderTag: RenderTemplate;
  readonly hostname: string;
  readonly forwarding: LogForwarding;
}

export interface ContainerLog {
  readonly file: LogSink;
  readonly isReadable: boolean;
  readonly forwarded: ForwardedLog | undefined;
}

/**
 * What a new container's log shall be, with the daemon's defaults as Docker merges them: the driver's own options when it is the same
 * driver, those of the cache in any case. Throws `invalid_argument`.
 */
export function effectiveLogConfig(wish: LogConfig, defaults: LogConfig): LogConfig {
  const type = wish.Type === "" ? defaults.Type : wish.Type;
  const config = emptyMap<string>();
  for (const [name, value] of Object.entries(defaults.Config ?? {}))
    if (type === defaults.Type || (type !== "none" && name.startsWith("cache-"))) config[name] = value;
  Object.assign(config, wish.Config);
  checkLogOptions(type, new Map(Object.entries(config)));
  return { Type: type, Config: config };
}

/** The log of a container, or undefined for driver "none". Throws `invalid_argument`. */
export function logOf(deps: LogDeps, container: Container): ContainerLog | undefined {
  const { id, host } = container;
  const { Type, Config } = host.LogConfig;
  const facts = factsOf(container, deps.logging.hostname);
  const plan = planLog(Type, new Map(Object.entries(Config ?? {})), facts, deps.logging.renderTag);
  if (plan === undefined) return undefined;
  const paths = containerPaths(deps.containersDir, id);
  const { kind, ...limits } = plan.file;
  const file = { ...limits, path: kind === "json" ? paths.log : paths.localLog, exact: kind === "local" };
  return {
    file,
    isReadable: plan.isReadable,
    forwarded:
      plan.remote === undefined
        ? undefined
        : { id, file, remote: plan.remote, positionPath: paths.forwarded },
  };
}

function factsOf({ id, name, config, record }: Container, hostname: string): LogFacts {
  const { path, args } = commandOf(config);
  return {
    id,
    name,
    imageId: record.imageId,
    imageName: config.Image,
    entrypoint: path,
    args,
    createdNs: record.createdNs,
    env: config.Env ?? [],
    labels: config.Labels ?? {},
    hostname,
  };
}

/** A socket that the user names is there when he does: the word is misspelt otherwise. Throws `invalid_argument`, as Docker does. */
export function checkLogSocket(log: ContainerLog | undefined): void {
  const remote = log?.forwarded?.remote;
  if (remote?.kind !== "syslog") return;
  const { endpoint } = remote;
  const path = endpoint.kind === "unix" ? endpoint.path : oneOf(endpoint);
  if (path !== undefined && !existsSync(path))
    throw fail("invalid_argument", `stat ${path}: no such file or directory`);
}

function oneOf(endpoint: Endpoint): string | undefined {
  return endpoint.kind === "unixgram" && endpoint.paths.length === 1 ? endpoint.paths[0] : undefined;
}

/** A sink of this host that it does not have. Another one may come later: the lines wait for it. */
function checkLocalSink({ kind, endpoint }: RemoteLog): void {
  if (endpoint.kind !== "unixgram" || endpoint.paths.some((path) => existsSync(path))) return;
  const what = kind === "journald" ? "journald is not enabled on this host" : "Unix syslog delivery error";
  throw fail("internal", `failed to create task for container: failed to initialize logging driver: ${what}`);
}

/** For the shim, with the directory that the file needs. */
export function prepareLog(deps: LogDeps, container: Container): LogSink | undefined {
  const log = logOf(deps, container);
  const file = log?.file;
  if (log?.forwarded !== undefined) checkLocalSink(log.forwarded.remote);
  if (file?.exact === true) mkdirSync(dirname(file.path), { recursive: true, mode: 0o700 });
  return file;
}

/**
 * Sends what the container's log has and will have: all of it, when the task is undefined and so nothing comes. The container has its
 * file in any case, and what it does otherwise is not touched by a failure here.
 */
export function forwardLog(
  deps: LogDeps & { readonly log: Logger },
  container: Container,
  task: Task | undefined,
): void {
  try {
    const forwarded = logOf(deps, container)?.forwarded;
    if (forwarded !== undefined) deps.logging.forwarding.follow(forwarded, task?.exited ?? Promise.resolve());
  } catch (error) {
    deps.log.error("a log is not sent", { id: container.id, error: messageOf(error) });
  }
}
