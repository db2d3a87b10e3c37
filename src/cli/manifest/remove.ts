import { atLeast, type Command } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { fullReference, referenceOf } from "./fetch.ts";
import { ManifestStore } from "./store.ts";

export function command(): Command {
  return {
    usage: "MANIFEST_LIST [MANIFEST_LIST...]",
    flags: new FlagSet(),
    arguments: atLeast(1),
    async run(cli, names) {
      const store = new ManifestStore((await cli.config()).directory);
      const missing: string[] = [];
      for (const name of names) {
        const list = fullReference(referenceOf(name));
        if (!(await store.remove(list))) missing.push(`No such manifest: ${name}`);
      }
      if (missing.length === 0) return 0;
      await cli.warn(missing.join("\n"));
      return 1;
    },
  };
}
