import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:net";
import { dirname } from "node:path";
import { fail } from "../base/errors.ts";
import { lockForLife, pidIn } from "./life-lock.ts";
import type { Native } from "./native.ts";

/**
 * Listens at the path of a unix socket, which is this process's alone as long as it lives: a lock beside it says whether a socket that
 * is there is a living one's or a killed one's. Throws `conflict` when another process listens there.
 */
export async function listenAlone(
  native: Pick<Native, "lockFile">,
  server: Server,
  socket: string,
): Promise<void> {
  mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
  const lock = `${socket}.lock`;
  if (!(await lockForLife(native, lock, () => pidIn(readFileSync(lock, "utf8")))))
    throw fail("conflict", `another process serves at "${socket}"`);
  writeFileSync(lock, `${process.pid}\n`);
  rmSync(socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socket, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
