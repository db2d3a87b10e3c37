/**
 * `gantry registry serve`, put together: stores, the registry on them, who may use it, sockets. It needs no engine and no
 * root; one process at a time has a data root.
 */
import { generateKeyPairSync, createPrivateKey, type KeyObject } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail, messageOf } from "../base/errors.ts";
import { Logger } from "../base/log.ts";
import { COMMIT, VERSION } from "../base/version.ts";
import { openContent } from "../core/content/local-store.ts";
import { MemoryLeases } from "../core/metadata/memory-leases.ts";
import { openMetadata } from "../core/metadata/sqlite-metadata.ts";
import { loadNative } from "../linux/native-addon.ts";
import { listenAdmin } from "../registry/admin.ts";
import { ALL_MAY_PULL, USERS_MAY_ALL } from "../registry/auth/access.ts";
import { basicGate, type Gate, OPEN_GATE, tokenGate } from "../registry/auth/gate.ts";
import { openHtpasswd } from "../registry/auth/htpasswd.ts";
import { type Listener, listenPlain, listenTls } from "../registry/listen.ts";
import { createRegistry, type Registry } from "../registry/registry.ts";
import { findNativeParts } from "./native-parts.ts";
import { type OpenUpstream, openUpstream } from "./registry-upstream.ts";
import {
  decodeRegistryFile,
  parseRegistryFlags,
  REGISTRY_HELP,
  registryOptions,
  type RegistryServeOptions,
} from "./registry-options.ts";

const REALM = "Gantry registry";

interface Served {
  readonly log: Logger;
  readonly stop: () => Promise<void>;
}

/** `gantry registry …`: runs until a signal ends it. */
export async function runRegistry(words: readonly string[]): Promise<void> {
  const [verb, ...rest] = words;
  try {
    if (verb !== "serve") {
      const isHelp = verb === undefined || verb === "--help" || verb === "-h" || verb === "help";
      if (!isHelp) throw fail("invalid_argument", `unknown command "${verb}"; see gantry registry --help`);
      process.stdout.write(REGISTRY_HELP);
      return;
    }
    const flags = parseRegistryFlags(rest);
    if (flags === "help") {
      process.stdout.write(REGISTRY_HELP);
      return;
    }
    const { configFile } = flags;
    const file = configFile === undefined ? { given: {}, access: [] } : readConfig(configFile);
    const options = registryOptions(flags.given, file);
    endWithSignals(await startRegistry(options));
  } catch (error) {
    process.stderr.write(`gantry registry: ${messageOf(error)}\n`);
    process.exit(1);
  }
}

async function startRegistry(options: RegistryServeOptions): Promise<Served> {
  const log = new Logger((line) => process.stderr.write(line), options.logLevel);
  const { dataRoot } = options;
  mkdirSync(dataRoot, { recursive: true, mode: 0o700 });
  takeLock(dataRoot);
  const metadata = openMetadata({
    path: join(dataRoot, "metadata.db"),
    onDamaged: (movedTo, reason) => log.error("the metadata was damaged, starting anew", { movedTo, reason }),
  });
  const mirrored = options.mirror === undefined ? undefined : upstreamFor(options.mirror, log);
  const registry = createRegistry({
    content: openContent(join(dataRoot, "content"), log, { partialMaxAgeMs: options.limits.uploadExpiryMs }),
    metadata,
    leases: new MemoryLeases(),
    log,
    gate: gateOf(options),
    limits: options.limits,
    collect: { graceMs: options.gc.graceMs, untagged: options.gc.untagged },
    isReadOnly: options.isReadOnly,
    ...(mirrored === undefined ? {} : { upstream: mirrored.upstream }),
    ...(options.mirror === undefined ? {} : { tagMaxAgeMs: options.mirror.tagMaxAgeMs }),
  });
  const listeners = [await listen(registry, options)];
  if (options.adminListen !== undefined) listeners.push(await listenAdmin(registry, options.adminListen));
  const stopCollecting = collectAtIntervals(registry, options.gc.intervalMs, log);
  log.info("the registry is ready", {
    version: VERSION,
    commit: COMMIT,
    host: options.listen.host,
    port: listeners[0]?.port,
    dataRoot,
    ms: Math.round(performance.now()),
  });
  return {
    log,
    stop: async () => {
      stopCollecting();
      const closed = listeners.map((listener) => listener.close(options.shutdownMs));
      await Promise.all(closed);
      await registry.close();
      mirrored?.close();
      metadata.close();
    },
  };
}

function listen(registry: Registry, { listen: endpoint, tls }: RegistryServeOptions): Promise<Listener> {
  if (tls === undefined) return listenPlain(registry, endpoint);
  const certificate = { cert: readText(tls.certFile), key: readText(tls.keyFile) };
  return listenTls(registry, endpoint, certificate);
}

function gateOf(options: RegistryServeOptions): Gate {
  if (options.htpasswd === "") return OPEN_GATE;
  const given = options.access.length > 0 ? options.access : [USERS_MAY_ALL];
  const rules = options.anonymousPull ? [...given, ALL_MAY_PULL] : given;
  const passwords = openHtpasswd(options.htpasswd, Date.now);
  if (options.token === undefined) return basicGate({ passwords, rules, realm: REALM });
  const { keyFile, service, url } = options.token;
  return tokenGate({
    passwords,
    rules,
    realm: REALM,
    tokenUrl: url,
    key: { privateKey: tokenKey(keyFile), service },
    now: Date.now,
  });
}

function upstreamFor(
  { url, user, passwordFile }: NonNullable<RegistryServeOptions["mirror"]>,
  log: Logger,
): OpenUpstream {
  const password = passwordFile === "" ? "" : readText(passwordFile).trimEnd();
  return openUpstream(
    {
      url,
      credentials:
        user === "" ? undefined : { username: user, password, identityToken: "", registryToken: "" },
      proxies: {
        http: environment("http_proxy"),
        https: environment("https_proxy"),
        exceptions: environment("no_proxy"),
      },
      userAgent: `gantry-registry/${VERSION}`,
      certificateDirectories: ["/etc/gantry/certs.d", "/etc/docker/certs.d"],
    },
    log,
  );
}

/** Either spelling, as everywhere. */
function environment(name: string): string {
  return process.env[name.toUpperCase()] ?? process.env[name] ?? "";
}

/** Made when it is not there yet: tokens live for minutes, so that losing it costs nobody more than another one. */
function tokenKey(path: string): KeyObject {
  if (!existsSync(path)) {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    writeFileSync(path, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600, flag: "wx" });
  }
  const key = createPrivateKey(readText(path));
  if (key.asymmetricKeyType !== "ec" || key.asymmetricKeyDetails?.namedCurve !== "prime256v1")
    throw fail("invalid_argument", `the key of "${path}" is not one of the curve P-256`);
  return key;
}

/** Returns a function that ends it. */
function collectAtIntervals(registry: Registry, intervalMs: number, log: Logger): () => void {
  if (intervalMs === 0) return () => {};
  const timer = setInterval(() => {
    registry
      .collect()
      .catch((error: unknown) => log.error("cannot collect garbage", { error: messageOf(error) }));
  }, intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** The kernel lets go of the lock when this process ends, however it ends. */
function takeLock(dataRoot: string): void {
  const path = join(dataRoot, "lock");
  if (loadNative(findNativeParts()).lockFile(path) === undefined)
    throw fail("conflict", `another registry (process ${readText(path).trim()}) already uses "${dataRoot}"`);
  writeFileSync(path, `${process.pid}\n`);
}

function readConfig(path: string): ReturnType<typeof decodeRegistryFile> {
  try {
    return decodeRegistryFile(readText(path));
  } catch (error) {
    throw fail("invalid_argument", `cannot use the configuration "${path}": ${messageOf(error)}`, error);
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw fail("invalid_argument", `cannot read "${path}": ${messageOf(error)}`, error);
  }
}

function endWithSignals({ log, stop }: Served): void {
  // Requests are isolated from each other, and state is written before it is believed: going on is safer than a restart.
  process.on("uncaughtException", (error) =>
    log.error("uncaught error", { error: messageOf(error), stack: error.stack }),
  );
  process.on("unhandledRejection", (error) => log.error("unhandled rejection", { error: messageOf(error) }));
  let isEnding = false;
  const end = (signal: NodeJS.Signals): void => {
    if (isEnding) process.exit(1);
    isEnding = true;
    log.info("ending", { signal });
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error("cannot end in order", { error: messageOf(error) });
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
}
