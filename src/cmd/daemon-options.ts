/** The daemon's command line. */
import { isAbsolute, resolve } from "node:path";
import { fail } from "../base/errors.ts";
import type { Level } from "../base/log.ts";

export interface DaemonOptions {
  /** Absolute path of the unix socket. */
  readonly socketPath: string;
  readonly dataRoot: string;
  readonly execRoot: string;
  /** Who may use the socket besides root. */
  readonly group: string;
  readonly logLevel: Level;
  /** "" = none. */
  readonly pidFile: string;
}

export const DAEMON_HELP = `Usage: gantryd [OPTIONS]

Runs the container engine.

      --data-root PATH   state that is kept (default "/var/lib/gantry")
  -D, --debug            log everything
      --exec-root PATH   state of what runs (default "/run/gantry")
  -G, --group NAME       group that may use the socket (default "docker")
  -H, --host URL         socket to listen on (default "unix://<exec-root>/gantry.sock")
  -l, --log-level LEVEL  debug, info, warn or error (default "info")
  -p, --pidfile PATH     write the process id there
  -v, --version          print the version
`;

const VALUES: ReadonlyMap<string, string> = new Map([
  ["--host", "host"],
  ["-H", "host"],
  ["--data-root", "dataRoot"],
  ["-g", "dataRoot"],
  ["--exec-root", "execRoot"],
  ["--group", "group"],
  ["-G", "group"],
  ["--log-level", "logLevel"],
  ["-l", "logLevel"],
  ["--pidfile", "pidFile"],
  ["-p", "pidFile"],
]);
const LEVELS: readonly Level[] = ["debug", "info", "warn", "error"];
/** sun_path holds 108 bytes with the final NUL. */
const SOCKET_PATH_LIMIT = 107;

/** Throws `invalid_argument` with one sentence. */
export function parseDaemonOptions(words: readonly string[]): DaemonOptions | "help" | "version" {
  const given = new Map<string, string>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    if (word === "--help" || word === "-h") return "help";
    if (word === "--version" || word === "-v") return "version";
    if (word === "--debug" || word === "-D") {
      given.set("logLevel", "debug");
      continue;
    }
    const at = word.startsWith("--") ? word.indexOf("=") : -1;
    const key = VALUES.get(at < 0 ? word : word.slice(0, at));
    if (key === undefined) throw fail("invalid_argument", `unknown option "${word}"; see gantryd --help`);
    const value = at < 0 ? words[++i] : word.slice(at + 1);
    if (value === undefined || value === "") throw fail("invalid_argument", `option "${word}" needs a value`);
    if (key === "host" && given.has("host"))
      throw fail("invalid_argument", 'option "--host" can be given once only: one socket is served');
    given.set(key, value);
  }
  const execRoot = resolve(given.get("execRoot") ?? "/run/gantry");
  return {
    socketPath: socketPath(given.get("host") ?? `unix://${execRoot}/gantry.sock`),
    dataRoot: resolve(given.get("dataRoot") ?? "/var/lib/gantry"),
    execRoot,
    group: given.get("group") ?? "docker",
    logLevel: logLevel(given.get("logLevel") ?? "info"),
    pidFile: given.has("pidFile") ? resolve(given.get("pidFile") ?? "") : "",
  };
}

function socketPath(host: string): string {
  if (!host.startsWith("unix://"))
    throw fail("invalid_argument", `cannot listen on "${host}": only unix:// sockets are supported yet`);
  const path = host.slice("unix://".length);
  if (!isAbsolute(path)) throw fail("invalid_argument", `the socket path of "${host}" is not absolute`);
  if (Buffer.byteLength(path) > SOCKET_PATH_LIMIT)
    throw fail("invalid_argument", `the socket path of "${host}" is longer than ${SOCKET_PATH_LIMIT} bytes`);
  return path;
}

function logLevel(text: string): Level {
  for (const level of LEVELS) if (level === text) return level;
  throw fail("invalid_argument", `unknown log level "${text}": debug, info, warn or error`);
}
