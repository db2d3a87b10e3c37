import { fieldsOf } from "../../client/fields.ts";
import { atLeast, type Command } from "../command.ts";
import { forEach } from "../container/each.ts";
import { FlagSet } from "../flags.ts";

export function command(): Command {
  return {
    usage: "IMAGE|DIRECTORY [IMAGE|DIRECTORY...]",
    flags: new FlagSet(),
    arguments: atLeast(1),
    async run(cli, words) {
      const engine = await cli.engine();
      const { resolve } = await import("node:path");
      return forEach(cli, words, async (word) => {
        const name = /^\.{0,2}\//.test(word) ? resolve(cli.invocation.workingDirectory, word) : word;
        const answer = fieldsOf(
          await engine.json({ method: "POST", path: "/images/unmount", query: { name } }),
        );
        const { Mountpoints: places } = answer;
        return Array.isArray(places) ? places.join("\n") : word;
      });
    },
  };
}
