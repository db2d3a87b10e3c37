/**
 * Which engine a command talks to, and the way there. The local one is reached at once; what the others need (TLS, ssh, stored
 * contexts) is loaded when somebody asks for it.
 */
import { connectSocket } from "../base/bun-socket.ts";
import type { ByteStream, Endpoint } from "../base/byte-stream.ts";
import { errnoOf, GantryError, messageOf } from "../base/errors.ts";
import { EngineClient } from "../client/engine-client.ts";
import { ConnectError } from "../client/response-error.ts";
import type { Cli } from "./cli.ts";
import { currentContextName, defaultEndpoint } from "./context/current.ts";
import { Exit } from "./exit.ts";
import { DEFAULT_SOCKET, parseHost, type SshEndpoint } from "./parse-host.ts";
import type { TlsMaterial } from "./tls.ts";

export interface EngineAddress {
  readonly endpoint: Endpoint | SshEndpoint;
  /** Undefined: without TLS. */
  readonly tls: TlsMaterial | undefined;
  /** As the user would write it, for messages. */
  readonly url: string;
  /** True when nobody named an engine: only then is one started when none is there. */
  readonly isDefault: boolean;
}

/** Throws Exit, in Docker's words where it has some. */
export async function resolveAddress(cli: Cli): Promise<EngineAddress> {
  if (cli.options.host.value.length > 0 && cli.options.context.value !== "")
    throw new Exit(1, "conflicting options: either specify --host or --context, not both");
  const name = await currentContextName(cli);
  try {
    if (name === "default") {
      const { host, tls } = await defaultEndpoint(cli);
      return addressOf(host, tls);
    }
    const { contextEndpoint } = await import("./context/endpoint.ts");
    const { host, tls } = await contextEndpoint((await cli.config()).directory, name);
    return addressOf(host, tls);
  } catch (error) {
    if (!(error instanceof Exit) && !(error instanceof GantryError)) throw error;
    throw new Exit(1, `Failed to initialize: unable to resolve docker endpoint: ${error.message}`);
  }
}

export function addressOf(host: string, tls: TlsMaterial | undefined): EngineAddress {
  if (host === "")
    return {
      endpoint: { kind: "unix", path: DEFAULT_SOCKET },
      tls: undefined,
      url: `unix://${DEFAULT_SOCKET}`,
      isDefault: true,
    };
  const { endpoint, url } = parseHost(host);
  if (tls !== undefined && endpoint.kind === "unix")
    throw new Exit(1, `TLS was asked for, and ${url} has none: it is for tcp:// addresses`);
  return { endpoint, tls: endpoint.kind === "tcp" ? tls : undefined, url, isDefault: false };
}

export async function openEngine(cli: Cli): Promise<EngineClient> {
  const address = await cli.address();
  const headers = await headersOf(cli);
  const { endpoint } = address;
  const pinned = cli.variable("DOCKER_API_VERSION");
  let starting: Promise<void> | undefined;
  const startOnce = (cause: unknown): Promise<void> => {
    starting ??= import("./autostart.ts").then(({ startEngine }) => startEngine(cli, address, cause));
    return starting;
  };
  return new EngineClient({
    connect: () => connect(address, startOnce),
    connectEarly: () => dialEarly(address),
    host: endpoint.kind === "tcp" ? `${endpoint.host}:${endpoint.port}` : "api.gantry.localhost",
    headers,
    ...(pinned ? { version: pinned.replace(/^v/, "") } : {}),
  });
}

/** What the environment says instead of the configuration. */
async function headersOf(cli: Cli): Promise<ReadonlyMap<string, string>> {
  const text = cli.variable("DOCKER_CUSTOM_HEADERS");
  if (!text) return (await cli.config()).httpHeaders;
  const { parseHeaders } = await import("./custom-headers.ts");
  return parseHeaders("DOCKER_CUSTOM_HEADERS", text);
}

/** Opens a connection, and starts nothing. */
export async function dial({ endpoint, tls }: EngineAddress): Promise<ByteStream> {
  if (endpoint.kind === "ssh") {
    const { connectSsh } = await import("../client/connect-ssh.ts");
    return connectSsh(endpoint);
  }
  if (tls === undefined || endpoint.kind === "unix") return connectSocket(endpoint);
  const { connectTls } = await import("../client/connect-tls.ts");
  return connectTls(endpoint, tls);
}

/** A login on another machine is too much for a connection that may not be needed. */
async function dialEarly(address: EngineAddress): Promise<ByteStream> {
  if (address.endpoint.kind === "ssh") throw new Error("not before it is needed");
  return dial(address);
}

/** Connects; when no engine listens where one is expected by default, has it started and tries once more. */
async function connect(
  address: EngineAddress,
  start: (cause: unknown) => Promise<void>,
): Promise<ByteStream> {
  try {
    return await dial(address);
  } catch (error) {
    if (!address.isDefault) throw connectError(address, error);
    await start(error);
  }
  try {
    return await dial(address);
  } catch (error) {
    throw connectError(address, error);
  }
}

/** Why there is no connection at all; everything else is TLS's. */
const CONNECT_ERRNOS: ReadonlySet<string> = new Set(
  "ECONNREFUSED ENOENT ENOTFOUND EAI_AGAIN EHOSTUNREACH ENETUNREACH ETIMEDOUT ENETDOWN".split(" "),
);

export function connectError(address: EngineAddress, cause: unknown): ConnectError {
  const errno = errnoOf(cause);
  if (errno === "EACCES" || errno === "EPERM")
    return new ConnectError(
      `permission denied while trying to connect to the engine's socket at ${address.url}`,
      errno,
      cause,
    );
  if (address.tls !== undefined && !CONNECT_ERRNOS.has(errno ?? ""))
    return new ConnectError(`error during connect: ${address.url}: ${messageOf(cause)}`, errno, cause);
  const reason = address.endpoint.kind === "tcp" && errno !== undefined ? ` (${errno})` : "";
  return new ConnectError(
    `Cannot connect to the engine at ${address.url}${reason}. Is gantryd running?`,
    errno,
    cause,
  );
}
