/** `cp`: what is copied from where to where; copy-from.ts and copy-to.ts do it. */

import { atLeast, type Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { isTerminal } from "../terminal.ts";
import { copyFrom } from "./copy-from.ts";
import { type CopyPlace, parsePlace } from "./copy-path.ts";
import { CopyProgress } from "./copy-progress.ts";
import { copyTo } from "./copy-to.ts";
import type { CopyWish } from "./copy-wish.ts";

export function command(): Command {
  const flags = new FlagSet();
  const archive = flags.bool("archive", false, "Archive mode (copy all uid/gid information)", {
    short: "a",
  });
  const follow = flags.bool("follow-link", false, "Always follow symlinks in SRC_PATH", { short: "L" });
  const quiet = flags.bool(
    "quiet",
    false,
    "Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached",
    { short: "q" },
  );
  return {
    usage:
      "[OPTIONS] CONTAINER:SRC_PATH... DEST_PATH|-\n\tgantry cp [OPTIONS] SRC_PATH...|- CONTAINER:DEST_PATH",
    flags,
    arguments: atLeast(2),
    async run(cli, words) {
      const places = words.map(parsePlace);
      refuseEmpty(words);
      const target = places.at(-1);
      if (target === undefined) return 1;
      const isQuiet = quiet.changed ? quiet.value : !(await isTerminal(1));
      const progress = await CopyProgress.start(cli, isQuiet);
      const wish = wishOf(places.slice(0, -1), target, { follow: follow.value, archive: archive.value });
      await (target.container === "" ? copyFrom : copyTo)(cli, wish, progress);
      return 0;
    },
  };
}

function refuseEmpty(words: readonly string[]): void {
  if (words.slice(0, -1).includes("")) throw new Exit(1, "source can not be empty");
  if (words.at(-1) === "") throw new Exit(1, "destination can not be empty");
}

function wishOf(
  sources: readonly CopyPlace[],
  target: CopyPlace,
  { follow, archive }: { readonly follow: boolean; readonly archive: boolean },
): CopyWish {
  const containers = new Set(sources.map(({ container }) => container));
  const [container = ""] = containers;
  if (containers.size > 1)
    throw new Exit(1, "the sources must be in one place: in one container, or all on this host");
  if (container !== "" && target.container !== "")
    throw new Exit(1, "copying between containers is not supported");
  if (container === "" && target.container === "")
    throw new Exit(1, "must specify at least one container source");
  const paths = sources.map(({ path }) => path);
  if (target.container !== "" && paths.length > 1 && paths.includes("-"))
    throw new Exit(1, "an archive from standard input cannot be one of several sources");
  return {
    sources: paths,
    target: target.path,
    container: container === "" ? target.container : container,
    followsLinks: follow,
    keepsOwners: archive,
  };
}
