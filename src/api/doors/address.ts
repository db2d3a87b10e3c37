/** Where the daemon listens, as `--host` and the key "hosts" say it. dockerd's own grammar. */
import { isAbsolute } from "node:path";
import { fail } from "../../base/errors.ts";

export type DoorAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  /** A socket that listened before we were started; undefined: all of them. */
  | { readonly kind: "activated"; readonly descriptor: number | undefined };

/** By convention. */
const PLAIN_PORT = 2375;
const TLS_PORT = 2376;
/** sun_path holds 108 bytes with the final NUL. */
const SOCKET_PATH_LIMIT = 107;
/** sd_listen_fds(3) */
export const FIRST_ACTIVATED = 3;

export interface DoorDefaults {
  readonly isTls: boolean;
  readonly socketPath: string;
}

/** Throws `invalid_argument`. */
export function parseDoor(text: string, defaults: DoorDefaults): DoorAddress {
  const host = text.trim();
  const at = host.indexOf("://");
  const scheme = at < 0 ? (host === "" ? "unix" : "tcp") : host.slice(0, at);
  const rest = at < 0 ? host : host.slice(at + 3);
  switch (scheme) {
    case "unix":
      return unixDoor(text, rest === "" ? defaults.socketPath : rest);
    case "tcp":
      return tcpDoor(text, rest, defaults.isTls ? TLS_PORT : PLAIN_PORT);
    case "fd":
      return activatedDoor(text, rest);
    default:
      throw wrong(text, `unsupported proto '${scheme}'`);
  }
}

export function formatDoor(address: DoorAddress): string {
  switch (address.kind) {
    case "unix":
      return `unix://${address.path}`;
    case "tcp":
      return `tcp://${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
    case "activated":
      return `fd://${address.descriptor ?? ""}`;
  }
}

function unixDoor(text: string, path: string): DoorAddress {
  if (!isAbsolute(path)) throw wrong(text, "the socket's path is not absolute");
  if (Buffer.byteLength(path) > SOCKET_PATH_LIMIT)
    throw wrong(text, `the socket's path is longer than ${SOCKET_PATH_LIMIT} bytes`);
  return { kind: "unix", path };
}

function tcpDoor(text: string, rest: string, defaultPort: number): DoorAddress {
  const parts = /^(\[[0-9a-fA-F:.%\w]+\]|[^:/[\]]*)(?::(\d{1,5}))?\/?$/.exec(rest);
  const port = Number(parts?.[2] ?? defaultPort);
  if (parts === null || port < 1 || port > 65_535) throw wrong(text, "expected tcp://HOST[:PORT]");
  return { kind: "tcp", host: (parts[1] ?? "").replace(/^\[|\]$/g, "") || "localhost", port };
}

function activatedDoor(text: string, rest: string): DoorAddress {
  if (rest === "" || rest === "*") return { kind: "activated", descriptor: undefined };
  const descriptor = /^\d{1,6}$/.test(rest) ? Number(rest) : 0;
  if (descriptor < FIRST_ACTIVATED)
    throw wrong(text, `expected the number of a descriptor from ${FIRST_ACTIVATED} up`);
  return { kind: "activated", descriptor };
}

function wrong(text: string, why: string): Error {
  return fail("invalid_argument", `invalid bind address (${text}): ${why}`);
}
