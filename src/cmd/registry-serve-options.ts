/**
 * What `gantry registry serve` can be told: by flags, and by a file with the same names. One table for both, so that neither
 * knows what the other does not. A name that nobody knows, and one that both give, is a mistake.
 */
import { resolve } from "node:path";
import { parseDuration } from "../base/duration.ts";
import { fail } from "../base/errors.ts";
import type { Level } from "../base/log.ts";
import { parseBinarySize } from "../base/units.ts";
import type { AccessRule } from "../registry/auth/access.ts";
import { decodeAccess } from "../registry/auth/access-file.ts";
import { DEFAULT_LIMITS, type Limits } from "../registry/limits.ts";
import type { Endpoint } from "../registry/listen.ts";
import { emptyMap, parseJson } from "../specs/engine/fields.decode.ts";

export interface ServeOptions {
  readonly listen: Endpoint;
  /** Metrics and administration; undefined = nowhere. */
  readonly adminListen: Endpoint | undefined;
  readonly dataRoot: string;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** "" = everybody may do everything. */
  readonly htpasswd: string;
  /** Empty with `htpasswd`: every user may do everything. */
  readonly access: readonly AccessRule[];
  readonly anonymousPull: boolean;
  readonly token: { readonly keyFile: string; readonly service: string; readonly url: string } | undefined;
  readonly isReadOnly: boolean;
  readonly mirror:
    | {
        readonly url: string;
        readonly user: string;
        readonly passwordFile: string;
        readonly tagMaxAgeMs: number;
      }
    | undefined;
  readonly gc: {
    /** 0 = only when asked. */
    readonly intervalMs: number;
    readonly graceMs: number;
    readonly untagged: "keep" | "delete";
  };
  readonly limits: Limits;
  readonly shutdownMs: number;
  readonly logLevel: Level;
}

export const SERVE_HELP = `Usage: gantry registry serve [OPTIONS]

Serves images to whoever speaks the OCI distribution protocol.

      --admin-listen HOST:PORT  serve /metrics, /healthz and POST /gc there
      --anonymous-pull          let everybody pull
      --config FILE             options as a file: a JSON object with the names of these flags, and "access"
      --data-root PATH          where everything is kept (default "/var/lib/gantry/registry")
  -D, --debug                   log everything
      --gc-grace DURATION       how long what nobody needs stays (default 1h)
      --gc-interval DURATION    time between garbage collections, 0 for none (default 24h)
      --gc-untagged             collect manifests that no tag leads to
      --htpasswd FILE           users and their passwords (htpasswd -B)
      --listen HOST:PORT        address to serve at (default "127.0.0.1:5000")
  -l, --log-level LEVEL         debug, info, warn or error (default "info")
      --max-blob-size SIZE      (default 64g)
      --max-transfers NUMBER    uploads that one client sends at the same time (default 32)
      --max-uploads NUMBER      uploads in progress, of everybody (default 1000)
      --mirror-of URL           pull through from this registry and take no pushes
      --mirror-password-file FILE  of --mirror-user
      --mirror-tag-age DURATION how long a tag is believed without asking again (default 1m)
      --mirror-user NAME        log in there
      --read-only               take no pushes and deletions
      --shutdown-grace DURATION time for requests under way at the end (default 10s)
      --tls-cert FILE           serve HTTPS with this certificate (PEM, with its chain)
      --tls-key FILE
      --token                   give tokens for passwords (at /auth/token) and want tokens elsewhere
      --token-key FILE          EC key of P-256 (PEM) they are signed with (default: one kept in the data root)
      --token-service NAME      (default "gantry-registry")
      --token-url URL           where clients get tokens (default: where they called, and /auth/token)
      --upload-expiry DURATION  time after which an upload without news is forgotten (default 24h)
`;

type Kind = "text" | "flag" | "duration" | "size" | "count";

const OPTIONS: ReadonlyMap<string, Kind> = new Map([
  ["admin-listen", "text"],
  ["anonymous-pull", "flag"],
  ["data-root", "text"],
  ["debug", "flag"],
  ["gc-grace", "duration"],
  ["gc-interval", "duration"],
  ["gc-untagged", "flag"],
  ["htpasswd", "text"],
  ["listen", "text"],
  ["log-level", "text"],
  ["max-blob-size", "size"],
  ["max-transfers", "count"],
  ["max-uploads", "count"],
  ["mirror-of", "text"],
  ["mirror-password-file", "text"],
  ["mirror-tag-age", "duration"],
  ["mirror-user", "text"],
  ["read-only", "flag"],
  ["shutdown-grace", "duration"],
  ["tls-cert", "text"],
  ["tls-key", "text"],
  ["token", "flag"],
  ["token-key", "text"],
  ["token-service", "text"],
  ["token-url", "text"],
  ["upload-expiry", "duration"],
]);

const SHORT: ReadonlyMap<string, string> = new Map([
  ["-D", "--debug"],
  ["-l", "--log-level"],
]);
const LEVELS: readonly Level[] = ["debug", "info", "warn", "error"];

/** Texts by name, as given: what they mean is decided once, for flags and file alike. */
export type Given = Readonly<Record<string, string>>;

export interface ServeFlags {
  readonly given: Given;
  readonly configFile: string | undefined;
}

/** Throws `invalid_argument` with one sentence. */
export function parseServeFlags(words: readonly string[]): ServeFlags | "help" {
  const given = emptyMap<string>();
  let configFile: string | undefined;
  for (let i = 0; i < words.length; i++) {
    const word = SHORT.get(words[i] ?? "") ?? words[i] ?? "";
    if (word === "--help" || word === "-h") return "help";
    const at = word.indexOf("=");
    const option = at < 0 ? word : word.slice(0, at);
    const name = option.slice(2);
    const kind = name === "config" ? "text" : OPTIONS.get(name);
    if (!option.startsWith("--") || kind === undefined)
      throw wrong(`unknown option "${word}"; see gantry registry serve --help`);
    const inline = at < 0 ? undefined : word.slice(at + 1);
    const value = inline ?? (kind === "flag" ? "true" : words[++i]);
    if (value === undefined || value === "") throw wrong(`option "${option}" needs a value`);
    if (name === "config") configFile = value;
    else if (name in given) throw wrong(`option "${option}" is given twice`);
    else given[name] = value;
  }
  return { given, configFile };
}

export interface ServeFile {
  readonly given: Given;
  readonly access: readonly AccessRule[];
}

/** The file's text. Throws `invalid_argument` with the field's name. */
export function decodeServeFile(text: string): ServeFile {
  const document = parseJson(text);
  if (typeof document !== "object" || document === null || Array.isArray(document))
    throw wrong("the document must be an object");
  const given = emptyMap<string>();
  let access: readonly AccessRule[] = [];
  for (const [name, value] of Object.entries(document)) {
    if (name === "access") access = decodeAccess(value);
    else given[name] = fieldText(name, value);
  }
  return { given, access };
}

function fieldText(name: string, value: unknown): string {
  const kind = OPTIONS.get(name);
  if (kind === undefined) throw wrong(`field "${name}" is no option`);
  const types: readonly string[] =
    kind === "flag"
      ? ["boolean"]
      : kind === "count"
        ? ["number"]
        : kind === "size"
          ? ["string", "number"]
          : ["string"];
  if (!types.includes(typeof value)) throw wrong(`field "${name}" must be a ${types.join(" or a ")}`);
  return String(value);
}

/** Throws `invalid_argument`, naming the option at fault. */
export function serveOptions(flags: Given, file: ServeFile): ServeOptions {
  const doubled = Object.keys(flags).filter((name) => name in file.given);
  if (doubled.length > 0)
    throw wrong(`given both as a flag and in the configuration file: ${doubled.join(", ")}`);
  const read = new Reader(Object.assign(emptyMap<string>(), file.given, flags));
  const htpasswd = read.path("htpasswd");
  const wantsToken = read.flag("token");
  if (htpasswd === "")
    read.refuseWithout("--htpasswd", ["token", "anonymous-pull"], file.access.length > 0 ? ["access"] : []);
  if (!wantsToken) read.refuseWithout("--token", ["token-key", "token-service", "token-url"]);
  const mirrorOf = read.text("mirror-of", "");
  if (mirrorOf === "")
    read.refuseWithout("--mirror-of", ["mirror-user", "mirror-password-file", "mirror-tag-age"]);
  const dataRoot = resolve(read.text("data-root", "/var/lib/gantry/registry"));
  return {
    listen: read.endpoint("listen", "127.0.0.1:5000"),
    adminListen: read.has("admin-listen") ? read.endpoint("admin-listen", "") : undefined,
    dataRoot,
    tls: read.tls(),
    htpasswd,
    access: file.access,
    anonymousPull: read.flag("anonymous-pull"),
    token: wantsToken
      ? {
          keyFile: read.has("token-key") ? read.path("token-key") : `${dataRoot}/token-key.pem`,
          service: read.quotable("token-service", "gantry-registry"),
          url: read.quotable("token-url", ""),
        }
      : undefined,
    isReadOnly: read.flag("read-only"),
    mirror:
      mirrorOf === ""
        ? undefined
        : {
            url: mirrorOf,
            user: read.text("mirror-user", ""),
            passwordFile: read.path("mirror-password-file"),
            tagMaxAgeMs: read.duration("mirror-tag-age", "1m"),
          },
    gc: {
      intervalMs: read.duration("gc-interval", "24h"),
      graceMs: read.duration("gc-grace", "1h"),
      untagged: read.flag("gc-untagged") ? "delete" : "keep",
    },
    limits: {
      ...DEFAULT_LIMITS,
      maxBlobBytes: read.size("max-blob-size", "64g"),
      maxTransfersPerClient: read.count("max-transfers", DEFAULT_LIMITS.maxTransfersPerClient),
      maxUploads: read.count("max-uploads", DEFAULT_LIMITS.maxUploads),
      uploadExpiryMs: read.duration("upload-expiry", "24h"),
    },
    shutdownMs: read.duration("shutdown-grace", "10s"),
    logLevel: read.level(),
  };
}

class Reader {
  readonly #given: Given;

  constructor(given: Given) {
    this.#given = given;
  }

  has(name: string): boolean {
    return name in this.#given;
  }

  text(name: string, usual: string): string {
    return this.#given[name] ?? usual;
  }

  /** Absolute; "" when not given. */
  path(name: string): string {
    const text = this.text(name, "");
    return text === "" ? "" : resolve(text);
  }

  /** For what is written between quotes into a header. */
  quotable(name: string, usual: string): string {
    const text = this.text(name, usual);
    if (!/^[\x21\x23-\x5b\x5d-\x7e]*$/.test(text))
      throw wrong(`"${name}" has characters that no header can have`);
    return text;
  }

  flag(name: string): boolean {
    const text = this.text(name, "false");
    if (text !== "true" && text !== "false") throw wrong(`"${name}" is true or false, not "${text}"`);
    return text === "true";
  }

  duration(name: string, usual: string): number {
    const text = this.text(name, usual);
    const nanoseconds = parseDuration(text);
    if (nanoseconds === undefined || nanoseconds < 0) throw wrong(`"${name}" is no duration: "${text}"`);
    return Math.round(nanoseconds / 1e6);
  }

  size(name: string, usual: string): number {
    const text = this.text(name, usual);
    const bytes = parseBinarySize(text);
    if (bytes === undefined || bytes < 1) throw wrong(`"${name}" is no size: "${text}"`);
    return bytes;
  }

  count(name: string, usual: number): number {
    const text = this.text(name, String(usual));
    if (!/^[1-9]\d{0,8}$/.test(text)) throw wrong(`"${name}" is no number from 1 on: "${text}"`);
    return Number(text);
  }

  /** "127.0.0.1:5000", "[::1]:5000", ":5000" (everywhere). */
  endpoint(name: string, usual: string): Endpoint {
    const text = this.text(name, usual);
    const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
    const port = Number(match?.[3]);
    if (match === null || port > 65535) throw wrong(`"${name}" is not HOST:PORT: "${text}"`);
    const host = match[1] ?? match[2] ?? "";
    return { host: host === "" ? "::" : host, port };
  }

  tls(): ServeOptions["tls"] {
    const [certFile, keyFile] = [this.path("tls-cert"), this.path("tls-key")];
    if (certFile === "" && keyFile === "") return undefined;
    if (certFile === "" || keyFile === "") throw wrong('"tls-cert" and "tls-key" need each other');
    return { certFile, keyFile };
  }

  level(): Level {
    if (this.flag("debug")) return "debug";
    const text = this.text("log-level", "info");
    for (const level of LEVELS) if (level === text) return level;
    throw wrong(`unknown log level "${text}": debug, info, warn or error`);
  }

  /** Options that would say nothing without another one. */
  refuseWithout(other: string, names: readonly string[], more: readonly string[] = []): void {
    const [name] = [...names.filter((candidate) => this.has(candidate)), ...more];
    if (name !== undefined) throw wrong(`"${name}" means nothing without "${other}"`);
  }
}

function wrong(message: string): Error {
  return fail("invalid_argument", message);
}
