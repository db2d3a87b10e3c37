import { atLeast, type Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { fetchManifest, fullReference, isList, refuseInsecure, referenceOf } from "./fetch.ts";
import { ManifestStore } from "./store.ts";

export function command(): Command {
  const flags = new FlagSet();
  const amend = flags.bool("amend", false, "Amend an existing manifest list", { short: "a" });
  const insecure = flags.bool("insecure", false, "Allow communication with an insecure registry");
  return {
    usage: "MANIFEST_LIST MANIFEST [MANIFEST...]",
    flags,
    arguments: atLeast(2),
    async run(cli, [listName = "", ...names]) {
      refuseInsecure(insecure.value);
      const list = fullReference(referenceOf(listName));
      const store = new ManifestStore((await cli.config()).directory);
      // Docker's words.
      if (!amend.value && (await store.exists(list)))
        throw new Exit(1, "refusing to amend an existing manifest list with no --amend flag");
      const fetched = [];
      for (const name of names) {
        const manifest = await fetchManifest(cli, referenceOf(name));
        const [platform] = manifest.platforms;
        if (isList(manifest.mediaType) || platform === undefined)
          throw new Exit(1, `${name} is a manifest list`);
        fetched.push({ ...manifest, platform });
      }
      for (const image of fetched) await store.put(list, image);
      await cli.print(`Created manifest list ${list}`);
      return 0;
    },
  };
}
