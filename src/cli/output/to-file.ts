/** Where archives go: to standard output unless that is a terminal, or to a file that is there only when it is whole. */
import { errnoOf, messageOf } from "../../base/errors.ts";
import type { HttpBody } from "../../client/http.ts";
import type { Cli } from "../cli.ts";
import { Exit } from "../exit.ts";
import { isTerminal } from "../terminal.ts";

/** Before anything is asked of the engine. `what` as in "failed to save image"; the rest is Docker's words, too. */
export async function checkOutput(path: string, what: string): Promise<void> {
  if (path === "") {
    if (await isTerminal(1))
      throw new Exit(1, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    return;
  }
  const { stat } = await import("node:fs/promises");
  const { dirname, normalize } = await import("node:path");
  const directory = dirname(normalize(path));
  const place = await stat(directory).catch(absent);
  if (place === undefined)
    throw new Exit(1, `${what}: invalid output path: directory "${directory}" does not exist`);
  const found = await stat(path).catch(absent);
  if (found === undefined || found.isFile() || found.isDirectory()) return;
  if (found.isBlockDevice() || found.isCharacterDevice())
    throw new Exit(
      1,
      `${what}: invalid output path: "${path}" must be a directory or a regular file: got a device`,
    );
}

function absent(error: unknown): undefined {
  if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
  throw error;
}

export async function writeArchive(cli: Cli, path: string, body: HttpBody): Promise<void> {
  if (path === "") {
    for (let bytes = await body.read(); bytes !== undefined; bytes = await body.read())
      await cli.out.write(bytes);
    return;
  }
  const { open, rename, rm } = await import("node:fs/promises");
  const { randomBytes } = await import("node:crypto");
  const temporary = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      for (let bytes = await body.read(); bytes !== undefined; bytes = await body.read())
        for (let at = 0; at < bytes.length; at += (await file.write(bytes, at)).bytesWritten);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error instanceof Exit ? error : new Exit(1, messageOf(error));
  }
}
