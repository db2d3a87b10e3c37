/** `gantryd` as a process: its words, its file, its signals. */
import type { DoorTls } from "../api/doors/listen.ts";
import { messageOf } from "../base/errors.ts";
import { COMMIT, VERSION } from "../base/version.ts";
import { programIdentity } from "../linux/peer-process.ts";
import { takeActivated } from "./activated-sockets.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { readDaemonConfig } from "./daemon-config.ts";
import {
  configFileOf,
  DAEMON_HELP,
  type DaemonFlags,
  daemonOptions,
  type DaemonOptions,
  parseDaemonFlags,
} from "./daemon-options.ts";
import { readDoorTls } from "./door-tls.ts";
import { removePidFile, writePidFile } from "./pid-file.ts";
import { type ServiceState, takeNotifySocket, tellManager } from "./service-manager.ts";
import { writeStateDump } from "./state-dump.ts";

/** Signals until a daemon that is ending does so at once. dockerd's number. */
const IMPATIENCE = 3;
const SIGNAL_NUMBERS = { SIGTERM: 15, SIGINT: 2 } as const;

/** What one reading of flags and files gave. */
interface Settings {
  readonly options: DaemonOptions;
  readonly tls: DoorTls | undefined;
}

/** Runs until a signal ends it. */
export async function runDaemon(words: readonly string[]): Promise<void> {
  try {
    const flags = parseDaemonFlags(words);
    if (flags === "help") process.stdout.write(DAEMON_HELP);
    else if (flags === "version") process.stdout.write(`gantryd version ${VERSION}, build ${COMMIT}\n`);
    else if (flags.validate === true) {
      await readSettings(flags);
      process.stdout.write("configuration OK\n");
    } else if (process.getuid?.() !== 0) throw new Error("the engine must be run as root");
    else await run(flags);
  } catch (error) {
    process.stderr.write(`gantryd: ${messageOf(error)}\n`);
    process.exit(1);
  }
}

async function readSettings(flags: DaemonFlags): Promise<Settings> {
  const file = configFileOf(flags);
  const { DOCKER_CERT_PATH, HOME } = process.env;
  const options = daemonOptions(
    flags,
    await readDaemonConfig(file.path, file.mustExist),
    DOCKER_CERT_PATH || `${HOME || "/root"}/.docker`,
  );
  const { tls } = options.doors;
  return { options, tls: tls === undefined ? undefined : await readDoorTls(tls) };
}

async function run(flags: DaemonFlags): Promise<void> {
  const activated = takeActivated(process.env, process.pid);
  const notifySocket = takeNotifySocket(process.env, process.pid);
  const { options, tls } = await readSettings(flags);
  const { pidFile } = options;
  const own = programIdentity(process.pid);
  if (pidFile !== "") writePidFile(pidFile, process.pid, (pid) => programIdentity(pid) === own);
  try {
    const daemon = await startDaemon(options, { tls, activated });
    const tell = (state: ServiceState): void => {
      if (notifySocket === undefined) return;
      tellManager(notifySocket, state, daemon.native).catch((error: unknown) =>
        daemon.log.error("the service manager is not told", { error: messageOf(error) }),
      );
    };
    serve(daemon, { options, readAgain: () => readSettings(flags), tell });
    tell("READY=1");
  } catch (error) {
    if (pidFile !== "") removePidFile(pidFile, process.pid);
    throw error;
  }
}

interface Around {
  readonly options: DaemonOptions;
  readonly readAgain: () => Promise<Settings>;
  /** The service manager, if there is one. */
  readonly tell: (state: ServiceState) => void;
}

function serve(daemon: Daemon, { options, readAgain, tell }: Around): void {
  const { log } = daemon;
  // Requests are isolated from each other, and state is written before it is believed: going on is safer than a restart.
  process.on("uncaughtException", (error) =>
    log.error("uncaught error", { error: messageOf(error), stack: error.stack }),
  );
  process.on("unhandledRejection", (error) =>
    log.error("unhandled rejection", {
      error: messageOf(error),
      stack: error instanceof Error ? error.stack : undefined,
    }),
  );
  let signals = 0;
  const end = (signal: "SIGTERM" | "SIGINT"): void => {
    signals++;
    if (signals >= IMPATIENCE) process.exit(128 + SIGNAL_NUMBERS[signal]);
    if (signals > 1) return;
    log.info("ending", { signal });
    tell("STOPPING=1");
    daemon.stop().then(
      () => {
        if (options.pidFile !== "") removePidFile(options.pidFile, process.pid);
        process.exit(0);
      },
      (error: unknown) => {
        log.error("cannot end in order", { error: messageOf(error) });
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", () => end("SIGTERM"));
  process.on("SIGINT", () => end("SIGINT"));
  let reloading = Promise.resolve();
  process.on("SIGHUP", () => {
    reloading = reloading.then(() => reload(daemon, readAgain));
  });
  process.on("SIGUSR1", () => {
    try {
      log.info("state written", { path: writeStateDump(options.execRoot, daemon.parts) });
    } catch (error) {
      log.error("cannot write the state", { error: messageOf(error) });
    }
  });
}

/** A mistake in the file changes nothing. */
async function reload(daemon: Daemon, readAgain: () => Promise<Settings>): Promise<void> {
  try {
    const { options, tls } = await readAgain();
    await daemon.reload(options, tls);
    daemon.log.info("options loaded anew; those of networks, storage and doors count from the next start");
  } catch (error) {
    daemon.log.error("the options stay as they are", { error: messageOf(error) });
  }
}
