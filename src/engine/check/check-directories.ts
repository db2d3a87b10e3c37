/** Nobody but root can change the state, or read more of it than he should. */
import { chmod, lstat } from "node:fs/promises";
import { errnoOf } from "../../base/errors.ts";
import { type CheckDeps, type CheckRequest, type Finding, found } from "./finding.ts";

export async function* checkDirectories(
  { statePaths }: CheckDeps,
  request: CheckRequest,
): AsyncGenerator<Finding> {
  for (const { path, mode } of statePaths) {
    const detail = await faultOf(path, mode);
    if (detail === undefined) continue;
    const isMode = detail.startsWith("its mode");
    yield await found(
      request,
      {
        kind: "permissions",
        subject: path,
        detail,
        images: [],
        advice: isMode ? "" : "find out who made it; the engine does not touch it",
      },
      isMode ? () => chmod(path, mode) : undefined,
    );
  }
}

async function faultOf(path: string, most: number): Promise<string | undefined> {
  let stat: Awaited<ReturnType<typeof lstat>>;
  try {
    stat = await lstat(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "it is missing";
    throw error;
  }
  if (stat.isSymbolicLink()) return "it is a symbolic link";
  if (stat.uid !== process.getuid?.()) return `it belongs to user ${stat.uid}`;
  const mode = stat.mode & 0o7777;
  const text = (bits: number): string => bits.toString(8).padStart(4, "0");
  return (mode & ~most) === 0 ? undefined : `its mode is ${text(mode)} instead of ${text(most)}`;
}
