/**
 * `gantry registry serve`, put together: stores, the registry on them, who may use it, sockets. It needs no engine and no
 * root; one process at a time has a data root.
 */
import { generateKeyPairSync, createPrivateKey, type KeyObject } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail, messageOf } from "../base/errors.ts";
import { Logger } from "../base/log.ts";
import { timerMs } from "../base/timer-limit.ts";
import { COMMIT, VERSION } from "../base/version.ts";
import { openContent } from "../core/content/local-store.ts";
import { MemoryLeases } from "../core/metadata/memory-leases.ts";
import { openMetadata } from "../core/metadata/sqlite-metadata.ts";
import { loadNative } from "../linux/native-addon.ts";
import { lockForLife, pidIn } from "../linux/life-lock.ts";
import type { Native } from "../linux/native.ts";
import { listenAdmin } from "../registry/admin.ts";
import { ALL_MAY_PULL, USERS_MAY_ALL } from "../registry/auth/access.ts";
import { basicGate, type Gate, OPEN_GATE, tokenGate } from "../registry/auth/gate.ts";
import { openHtpasswd } from "../registry/auth/htpasswd.ts";
import { type Certificate, listenPlain, listenTls } from "../registry/listen.ts";
import { createRegistry, type Registry } from "../registry/registry.ts";
import { findNativeParts } from "./native-parts.ts";
import { type OpenUpstream, openUpstream } from "./registry-upstream.ts";
import {
  decodeServeFile,
  parseServeFlags,
  SERVE_HELP,
  serveOptions,
  type ServeOptions,
} from "./registry-serve-options.ts";

const REALM = "Gantry registry";

interface Served {
  readonly log: Logger;
  /** Reads the certificate again. */
  readonly renew: () => void;
  readonly stop: () => Promise<void>;
}

/** `gantry registry …`: runs until a signal ends it. */
export async function runRegistry(words: readonly string[]): Promise<void> {
  const [verb, ...rest] = words;
  try {
    if (verb !== "serve") {
      const isHelp = verb === undefined || verb === "--help" || verb === "-h" || verb === "help";
      if (!isHelp) throw fail("invalid_argument", `unknown command "${verb}"; see gantry registry --help`);
      process.stdout.write(SERVE_HELP);
      return;
    }
    const flags = parseServeFlags(rest);
    if (flags === "help") {
      process.stdout.write(SERVE_HELP);
      return;
    }
    const { configFile } = flags;
    const file = configFile === undefined ? { given: {}, access: [] } : readConfig(configFile);
    const options = serveOptions(flags.given, file);
    obeySignals(await startRegistry(options));
  } catch (error) {
    process.stderr.write(`gantry registry: ${messageOf(error)}\n`);
    process.exit(1);
  }
}

async function startRegistry(options: ServeOptions): Promise<Served> {
  const log = new Logger((line) => process.stderr.write(line), options.logLevel);
  const { dataRoot } = options;
  mkdirSync(dataRoot, { recursive: true, mode: 0o700 });
  const native = loadNative(findNativeParts());
  await takeLock(native, dataRoot);
  const metadata = openMetadata({
    path: join(dataRoot, "metadata.db"),
    onDamaged: (movedTo, reason) => log.error("the metadata was damaged, starting anew", { movedTo, reason }),
  });
  const mirrored = options.mirror === undefined ? undefined : upstreamFor(options.mirror, log);
  const registry = createRegistry({
    content: openContent(join(dataRoot, "content"), log, {
      partialMaxAgeMs: options.limits.uploadExpiryMs,
      startWriteback: (fd, from, bytes) => native.startWriteback(fd, from, bytes),
    }),
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
  const certificate = certificateOf(options);
  const secure =
    certificate === undefined ? undefined : await listenTls(registry, options.listen, certificate);
  const main = secure ?? (await listenPlain(registry, options.listen));
  const admin =
    options.adminListen === undefined ? undefined : await listenAdmin(registry, options.adminListen);
  const stopCollecting = collectAtIntervals(registry, options.gc.intervalMs, log);
  log.info("the registry is ready", {
    version: VERSION,
    commit: COMMIT,
    host: options.listen.host,
    port: main.port,
    dataRoot,
    ms: Math.round(performance.now()),
  });
  return {
    log,
    renew: () => {
      const renewed = certificateOf(options);
      if (renewed !== undefined) secure?.renew(renewed);
    },
    stop: async () => {
      stopCollecting();
      await Promise.all([main.close(options.shutdownMs), admin?.close(options.shutdownMs)]);
      await registry.close();
      mirrored?.close();
      metadata.close();
    },
  };
}

function certificateOf({ tls }: ServeOptions): Certificate | undefined {
  return tls === undefined ? undefined : { cert: readText(tls.certFile), key: readText(tls.keyFile) };
}

function gateOf(options: ServeOptions): Gate {
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
  { url, user, passwordFile }: NonNullable<ServeOptions["mirror"]>,
  log: Logger,
): OpenUpstream {
  const password = passwordFile === "" ? "" : readText(passwordFile).trimEnd();
  return openUpstream(
    {
      url,
      credentials:
        user === "" ? undefined : { username: user, password, identityToken: "", registryToken: "" },
      environment: environment(),
      userAgent: `gantry-registry/${VERSION}`,
    },
    log,
  );
}

function environment(): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  for (const [name, value] of Object.entries(process.env))
    if (value !== undefined) variables.set(name, value);
  return variables;
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
  }, timerMs(intervalMs));
  timer.unref();
  return () => clearInterval(timer);
}

async function takeLock(native: Pick<Native, "lockFile">, dataRoot: string): Promise<void> {
  const path = join(dataRoot, "lock");
  if (!(await lockForLife(native, path, () => pidIn(readText(path)))))
    throw fail("conflict", `another registry (process ${readText(path).trim()}) already uses "${dataRoot}"`);
  writeFileSync(path, `${process.pid}\n`);
}

function readConfig(path: string): ReturnType<typeof decodeServeFile> {
  try {
    return decodeServeFile(readText(path));
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

function obeySignals({ log, renew, stop }: Served): void {
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
  process.on("SIGHUP", () => {
    try {
      renew();
      log.info("certificates read again");
    } catch (error) {
      log.error("the old certificates stay", { error: messageOf(error) });
    }
  });
}
