/**
 * What the daemon is told about registries, by flags and by daemon.json. The keys are Docker's, but for `registry-hosts`,
 * which gives any registry mirrors of its own:
 *
 *     "registry-hosts": { "ghcr.io": { "mirrors": ["https://mirror.example"] } }
 */
import { isAbsolute } from "node:path";
import { fail } from "../base/errors.ts";
import {
  AUTHORITY_FILES,
  checkHost,
  checkInsecureRegistry,
  checkMirror,
  checkNondistributable,
  DEFAULT_LIMITS,
  type RegistryOptions,
} from "../core/distribution/registry-options.ts";
import { parseProxy } from "../core/distribution/proxies.ts";
import { emptyMap } from "../specs/engine/fields.decode.ts";
import { readMirrorAccounts } from "./mirror-accounts.ts";

/** Absent = not said. */
export interface RegistrySettings {
  readonly "registry-mirrors"?: readonly string[];
  readonly "insecure-registries"?: readonly string[];
  /** A file. */
  readonly "registry-mirror-accounts"?: string;
  readonly "registry-hosts"?: ReadonlyMap<string, { readonly mirrors: readonly string[] }>;
  readonly "allow-nondistributable-artifacts"?: readonly string[];
  readonly "max-download-attempts"?: number;
  readonly "http-proxy"?: string;
  readonly "https-proxy"?: string;
  readonly "no-proxy"?: string;
}

/** Docker's number. */
const DEFAULT_ATTEMPTS = 5;
const CERTIFICATE_DIRECTORIES = ["/etc/gantry/certs.d", "/etc/docker/certs.d"];

export const REGISTRY_HELP = `      --allow-nondistributable-artifacts HOST
                               registry or range of addresses that foreign layers are pushed to; can be repeated
      --http-proxy URL         proxy for registries over http (default $HTTP_PROXY)
      --https-proxy URL        proxy for registries over https (default $HTTPS_PROXY)
      --insecure-registry HOST registry or range of addresses that need no TLS; can be repeated
      --max-download-attempts N tries for each download (default 5)
      --no-proxy HOSTS         hosts that need no proxy, separated by commas (default $NO_PROXY)
      --registry-mirror URL    mirror of Docker Hub, asked first; can be repeated
      --registry-mirror-accounts FILE
                               the daemon's own accounts at mirrors, in the form of config.json
`;

type FlagReader = (text: string, before: RegistrySettings) => RegistrySettings;

export const REGISTRY_FLAGS: ReadonlyMap<string, FlagReader> = new Map<string, FlagReader>([
  [
    "--registry-mirror",
    (text, before) => ({ "registry-mirrors": [...(before["registry-mirrors"] ?? []), checkMirror(text)] }),
  ],
  ["--registry-mirror-accounts", (text) => ({ "registry-mirror-accounts": absolutePath(text) })],
  [
    "--insecure-registry",
    (text, before) => ({
      "insecure-registries": [...(before["insecure-registries"] ?? []), checkInsecureRegistry(text)],
    }),
  ],
  [
    "--allow-nondistributable-artifacts",
    (text, before) => ({
      "allow-nondistributable-artifacts": [
        ...(before["allow-nondistributable-artifacts"] ?? []),
        checkNondistributable(text),
      ],
    }),
  ],
  ["--max-download-attempts", (text) => ({ "max-download-attempts": attemptsOf(Number(text)) })],
  ["--http-proxy", (text) => ({ "http-proxy": proxyOf(text) })],
  ["--https-proxy", (text) => ({ "https-proxy": proxyOf(text) })],
  ["--no-proxy", (text) => ({ "no-proxy": text })],
]);

type Reader = (value: unknown) => RegistrySettings;

/** Keys of daemon.json. */
export const REGISTRY_READERS: Readonly<Record<string, Reader>> = Object.assign(emptyMap<Reader>(), {
  "registry-mirrors": (value: unknown) => ({
    "registry-mirrors": textsOf("registry-mirrors", value).map(checkMirror),
  }),
  "registry-mirror-accounts": (value: unknown) => ({
    "registry-mirror-accounts": absolutePath(textOf("registry-mirror-accounts", value)),
  }),
  "insecure-registries": (value: unknown) => ({
    "insecure-registries": textsOf("insecure-registries", value).map(checkInsecureRegistry),
  }),
  "allow-nondistributable-artifacts": (value: unknown) => ({
    "allow-nondistributable-artifacts": textsOf("allow-nondistributable-artifacts", value).map(
      checkNondistributable,
    ),
  }),
  "registry-hosts": (value: unknown) => ({ "registry-hosts": hostsOf(value) }),
  "max-download-attempts": (value: unknown) => ({ "max-download-attempts": attemptsOf(value) }),
  proxies: (value: unknown) => proxiesOf(value),
  "http-proxy": (value: unknown) => ({ "http-proxy": proxyOf(textOf("http-proxy", value)) }),
  "https-proxy": (value: unknown) => ({ "https-proxy": proxyOf(textOf("https-proxy", value)) }),
  "no-proxy": (value: unknown) => ({ "no-proxy": textOf("no-proxy", value) }),
});

function hostsOf(value: unknown): ReadonlyMap<string, { readonly mirrors: readonly string[] }> {
  const hosts = new Map<string, { readonly mirrors: readonly string[] }>();
  for (const [host, entry] of Object.entries(objectOf("registry-hosts", value))) {
    const at = `registry-hosts.${host}`;
    const { mirrors, ...other } = objectOf(at, entry);
    const [key] = Object.keys(other);
    if (key !== undefined) throw wrong(`"${at}.${key}" is not known: "mirrors" is`);
    hosts.set(checkHost(host), { mirrors: textsOf(`${at}.mirrors`, mirrors).map(checkMirror) });
  }
  return hosts;
}

function proxiesOf(value: unknown): RegistrySettings {
  let settings: RegistrySettings = {};
  for (const [key, text] of Object.entries(objectOf("proxies", value))) {
    const reader = ["http-proxy", "https-proxy", "no-proxy"].includes(key)
      ? REGISTRY_READERS[key]
      : undefined;
    if (reader === undefined) throw wrong(`"proxies.${key}" is not known`);
    settings = { ...settings, ...reader(text) };
  }
  return settings;
}

function attemptsOf(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw wrong("invalid max download attempts");
  // Docker's words; 0 means its default there, too.
  if (value < 0) throw wrong(`invalid max download attempts: ${value}`);
  return value === 0 ? DEFAULT_ATTEMPTS : value;
}

/** The text as it is, once it is known to be a proxy's URL. */
function proxyOf(text: string): string {
  if (text !== "") parseProxy(text);
  return text;
}

function absolutePath(text: string): string {
  if (!isAbsolute(text)) throw wrong(`"registry-mirror-accounts" must be an absolute path`);
  return text;
}

/** `environment` gives the proxies that were not said. Reads the accounts' file, as it is now. */
export function registryOptions(
  settings: RegistrySettings,
  environment: ReadonlyMap<string, string>,
  userAgent: string,
): RegistryOptions {
  const variable = (name: string): string =>
    environment.get(name) ?? environment.get(name.toLowerCase()) ?? "";
  return {
    mirrors: settings["registry-mirrors"] ?? [],
    hosts: settings["registry-hosts"] ?? new Map(),
    mirrorAccounts:
      settings["registry-mirror-accounts"] === undefined
        ? new Map()
        : readMirrorAccounts(settings["registry-mirror-accounts"]),
    insecure: settings["insecure-registries"] ?? [],
    nondistributable: settings["allow-nondistributable-artifacts"] ?? [],
    certificateDirectories: CERTIFICATE_DIRECTORIES,
    authorityFiles: [...[variable("SSL_CERT_FILE")].filter((path) => path !== ""), ...AUTHORITY_FILES],
    proxies: {
      http: settings["http-proxy"] ?? proxyOf(variable("HTTP_PROXY")),
      https: settings["https-proxy"] ?? proxyOf(variable("HTTPS_PROXY")),
      exceptions: settings["no-proxy"] ?? variable("NO_PROXY"),
    },
    maxAttempts: settings["max-download-attempts"] ?? DEFAULT_ATTEMPTS,
    userAgent,
    limits: DEFAULT_LIMITS,
  };
}

function wrong(message: string): Error {
  return fail("invalid_argument", message);
}

function objectOf(key: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrong(`"${key}" must be an object`);
  return Object.assign(emptyMap<unknown>(), value);
}

function textOf(key: string, value: unknown): string {
  if (typeof value !== "string" || value.includes("\0")) throw wrong(`"${key}" must be a text`);
  return value;
}

function textsOf(key: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw wrong(`"${key}" must be a list`);
  return value.map((item) => textOf(key, item));
}
