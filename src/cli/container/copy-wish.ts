/** What a `cp` is asked for, and what it refuses of several sources. */
import { Exit } from "../exit.ts";

export interface CopyWish {
  readonly sources: readonly string[];
  readonly target: string;
  readonly container: string;
  readonly followsLinks: boolean;
  readonly keepsOwners: boolean;
}

/** Several sources go into one directory, each under its own name. */
export function refuseSeveral(target: string, isDirectory: boolean): void {
  if (!isDirectory) throw new Exit(1, `target "${target}" is not a directory`);
}

export function refuseCollision(pair: readonly [string, string] | undefined): void {
  if (pair === undefined) return;
  const [first, second] = pair;
  throw new Exit(1, `"${first}" and "${second}" would have the same name in the destination`);
}
