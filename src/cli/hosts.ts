/**
 * Which engine a command talks to: `--host`, `--context`, DOCKER_HOST, DOCKER_CONTEXT, the configuration's current
 * context, the local socket; in this order, as with Docker's CLI.
 */
import { connectSocket } from "../base/bun-socket.ts";
import { readSmallFile } from "../base/bun-stdio.ts";
import type { ByteStream, Endpoint } from "../base/byte-stream.ts";
import { errnoOf } from "../base/errors.ts";
import { EngineClient } from "../client/engine-client.ts";
import { child, fieldsOf, text } from "../client/fields.ts";
import { ConnectError } from "../client/response-error.ts";
import type { Cli } from "./cli.ts";
import { Exit } from "./exit.ts";

export const DEFAULT_SOCKET = "/run/gantry/gantry.sock";

export interface EngineAddress {
  readonly endpoint: Endpoint;
  /** As the user would write it, for messages. */
  readonly url: string;
  /** True when nobody named an engine: only then is one started when none is there. */
  readonly isDefault: boolean;
}

export async function resolveAddress(cli: Cli): Promise<EngineAddress> {
  const tls = cli.options.tlsFlag() ?? (cli.variable("DOCKER_TLS_VERIFY") ? "DOCKER_TLS_VERIFY" : undefined);
  if (tls !== undefined) throw new Exit(1, `TLS connections are not supported yet: ${tls}`);
  const hosts = cli.options.host.value;
  const context = cli.options.context.value;
  if (hosts.length > 1) throw new Exit(1, "Specify only one -H");
  const [host] = hosts;
  if (host !== undefined && context !== "")
    throw new Exit(1, "conflicting options: cannot specify both --host and --context");
  if (host !== undefined) return parseHost(host);
  if (context !== "") return contextAddress(cli, context);
  const fromEnvironment = cli.variable("DOCKER_HOST");
  if (fromEnvironment) return parseHost(fromEnvironment);
  return contextAddress(
    cli,
    cli.variable("DOCKER_CONTEXT") || (await cli.config()).currentContext || "default",
  );
}

function local(): EngineAddress {
  return {
    endpoint: { kind: "unix", path: DEFAULT_SOCKET },
    url: `unix://${DEFAULT_SOCKET}`,
    isDefault: true,
  };
}

/** Understands unix:// and tcp://; what it does not support it refuses by name. */
export function parseHost(host: string): EngineAddress {
  if (host === "") return local();
  const match = /^([a-z]+):\/\/(.*)$/.exec(host.trim());
  const scheme = match?.[1] ?? "tcp";
  const rest = match?.[2] ?? host.trim();
  switch (scheme) {
    case "unix": {
      const path = rest === "" ? DEFAULT_SOCKET : rest;
      return { endpoint: { kind: "unix", path }, url: `unix://${path}`, isDefault: false };
    }
    case "tcp": {
      const parts = /^(\[[0-9a-fA-F:.]+\]|[^:/[\]]*)(?::(\d{1,5}))?\/?$/.exec(rest);
      const port = Number(parts?.[2] ?? "2375");
      if (parts === null || port < 1 || port > 65535)
        throw new Exit(1, `invalid engine address "${host}": expected tcp://HOST[:PORT]`);
      const name = (parts[1] ?? "").replace(/^\[|\]$/g, "") || "localhost";
      return { endpoint: { kind: "tcp", host: name, port }, url: `tcp://${rest}`, isDefault: false };
    }
    default:
      throw new Exit(1, `connections by ${scheme}:// are not supported yet: "${host}"`);
  }
}

/** The endpoint that a stored context names; the store is Docker's, one directory per context named by its digest. */
async function contextAddress(cli: Cli, name: string): Promise<EngineAddress> {
  if (name === "default") return local();
  const { createHash } = await import("node:crypto");
  const { directory } = await cli.config();
  const digest = createHash("sha256").update(name).digest("hex");
  const content = await readSmallFile(`${directory}/contexts/meta/${digest}/meta.json`);
  if (content === undefined)
    throw new Exit(
      1,
      `context "${name}": context not found: open ${directory}/contexts/meta/${digest}/meta.json: no such file or directory`,
    );
  let document: unknown;
  try {
    document = JSON.parse(content);
  } catch {
    throw new Exit(1, `context "${name}": meta.json is not JSON`);
  }
  const host = text(child(child(fieldsOf(document), "Endpoints"), "docker"), "Host");
  return host === "" ? local() : parseHost(host);
}

export async function openEngine(cli: Cli): Promise<EngineClient> {
  const address = await cli.address();
  const { httpHeaders } = await cli.config();
  const { endpoint } = address;
  const pinned = cli.variable("DOCKER_API_VERSION");
  let starting: Promise<void> | undefined;
  const startOnce = (cause: unknown): Promise<void> => {
    starting ??= import("./autostart.ts").then(({ startEngine }) => startEngine(cli, address, cause));
    return starting;
  };
  return new EngineClient({
    connect: () => connect(address, startOnce),
    connectEarly: () => connectSocket(endpoint),
    host: endpoint.kind === "unix" ? "api.gantry.localhost" : `${endpoint.host}:${endpoint.port}`,
    headers: httpHeaders,
    ...(pinned ? { version: pinned.replace(/^v/, "") } : {}),
  });
}

/** Connects; when no engine listens where one is expected by default, has it started and tries once more. */
async function connect(
  address: EngineAddress,
  start: (cause: unknown) => Promise<void>,
): Promise<ByteStream> {
  try {
    return await connectSocket(address.endpoint);
  } catch (error) {
    if (!address.isDefault) throw connectError(address, error);
    await start(error);
  }
  try {
    return await connectSocket(address.endpoint);
  } catch (error) {
    throw connectError(address, error);
  }
}

export function connectError(address: EngineAddress, cause: unknown): ConnectError {
  const errno = errnoOf(cause);
  if (errno === "EACCES" || errno === "EPERM")
    return new ConnectError(
      `permission denied while trying to connect to the engine's socket at ${address.url}`,
      errno,
      cause,
    );
  const reason = address.endpoint.kind === "tcp" && errno !== undefined ? ` (${errno})` : "";
  return new ConnectError(
    `Cannot connect to the engine at ${address.url}${reason}. Is gantryd running?`,
    errno,
    cause,
  );
}
