/** The daemon's socket file: made so that nobody else can connect before its mode and owner are what they should be. */
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { ApiServer } from "../api/server.ts";
import { errnoOf, fail, messageOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";

/** A host need not have it. */
export const DEFAULT_GROUP = "docker";

/** Listens on `path`: root and `group`, or root alone when that is "". Throws `conflict` when it is served. */
export async function listenOn(server: ApiServer, path: string, group: string, log: Logger): Promise<void> {
  const gid = group === "" ? undefined : findGroup(group, path, log);
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  await removeStale(path);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const before = process.umask(0o177);
  try {
    server.once("error", reject);
    server.listen(path, resolve);
    await promise;
  } catch (cause) {
    throw fail("unavailable", `cannot listen on "${path}": ${messageOf(cause)}`, cause);
  } finally {
    process.umask(before);
  }
  if (gid === undefined) return;
  chownSync(path, 0, gid);
  chmodSync(path, 0o660);
}

/** What a killed daemon left. */
async function removeStale(path: string): Promise<void> {
  try {
    if (!lstatSync(path).isSocket()) throw fail("conflict", `"${path}" exists and is not a socket`);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw error;
  }
  if (await isServed(path)) throw fail("conflict", `another engine already listens on "${path}"`);
  unlinkSync(path);
}

function isServed(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = connect(path);
  probe.once("connect", () => {
    probe.destroy();
    resolve(true);
  });
  probe.once("error", () => resolve(false));
  return promise;
}

/** Throws `invalid_argument` for one that is not there, unless it is the default one. */
function findGroup(group: string, path: string, log: Logger): number | undefined {
  const gid = /^\d{1,9}$/.test(group) ? Number(group) : groupId(group);
  if (gid === undefined && group !== DEFAULT_GROUP)
    throw fail("invalid_argument", `cannot give "${path}" to the group "${group}": group ${group} not found`);
  if (gid === undefined) log.warn("there is no such group: the socket is root's alone", { path, group });
  return gid;
}

/** From /etc/group; undefined when it is not there. */
function groupId(name: string): number | undefined {
  let text: string;
  try {
    text = readFileSync("/etc/group", "utf8");
  } catch {
    return undefined;
  }
  for (const line of text.split("\n")) {
    const [group, , gid = ""] = line.split(":");
    if (group === name && /^\d{1,10}$/.test(gid)) return Number(gid);
  }
  return undefined;
}
