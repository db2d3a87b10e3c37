/** Starting the engine for a user who has none running: one command on a fresh machine is enough. */
import { existsSync } from "node:fs";
import { readSmallFile } from "../base/bun-stdio.ts";
import { spawnDetached } from "../base/detached-process.ts";
import { errnoOf, messageOf } from "../base/errors.ts";
import type { Cli } from "./cli.ts";
import { Exit } from "./exit.ts";
import { connectError, dial, type EngineAddress } from "./hosts.ts";

const LOG_FILE = "/var/log/gantryd.log";
const START_DEADLINE_MS = 5000;
const POLL_MS = 5;
/** systemd is there; a unit of ours is. */
const MANAGER = "/run/systemd/system";
const UNITS = ["/etc/systemd/system/gantry.service", "/usr/lib/systemd/system/gantry.service"];

/**
 * Resolves when an engine accepts connections at the default address. As root it is started if need be, unless it is a
 * service; others are told what is missing. `cause` is why connecting failed.
 */
export async function startEngine(
  cli: Cli,
  address: EngineAddress,
  cause: unknown,
  exists: (path: string) => boolean = existsSync,
): Promise<void> {
  const { program, invocation } = cli;
  const errno = errnoOf(cause);
  const path = address.endpoint.kind === "unix" ? address.endpoint.path : address.url;
  if (errno === "EACCES" || errno === "EPERM")
    throw new Exit(
      1,
      `permission denied: the engine's socket ${path} is not open to you; run this with sudo, or have an administrator add you to the docker group`,
    );
  if (errno !== "ENOENT" && errno !== "ECONNREFUSED") throw connectError(address, cause);
  // One beside the service would keep it from its data.
  if (exists(MANAGER) && UNITS.some((unit) => exists(unit)))
    throw new Exit(1, "the engine is not running; it is a service of this host: systemctl start gantry");
  if (invocation.userId !== 0)
    throw new Exit(
      1,
      `the engine is not running and only root can start it; run 'sudo ${program} version' once, or have an administrator start gantryd`,
    );
  await cli.warn("Starting the engine (gantryd) in the background …");
  const { engineCommand } = invocation;
  let exited: string | undefined;
  try {
    spawnDetached(engineCommand, LOG_FILE, (how) => {
      exited = how;
    });
  } catch (error) {
    throw new Exit(1, `cannot start the engine "${engineCommand.file}": ${messageOf(error)}`);
  }
  const deadline = performance.now() + START_DEADLINE_MS;
  for (;;) {
    try {
      (await dial(address)).close();
      return;
    } catch (error) {
      const failure = errnoOf(error);
      if (failure !== "ENOENT" && failure !== "ECONNREFUSED") throw connectError(address, error);
    }
    if (exited !== undefined) throw await startFailure(`the engine ended at once (${exited})`);
    if (performance.now() > deadline)
      throw await startFailure(`the engine did not open ${path} within ${START_DEADLINE_MS / 1000} seconds`);
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
  }
}

async function startFailure(what: string): Promise<Exit> {
  const log = (await readSmallFile(LOG_FILE).catch(() => undefined)) ?? "";
  const last = log.trimEnd().split("\n").at(-1) ?? "";
  return new Exit(
    1,
    last === "" ? `${what}; its log is ${LOG_FILE}` : `${what}; the last line of ${LOG_FILE}:\n  ${last}`,
  );
}
