import { Exit } from "../exit.ts";
import { atLeast, type Command } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { isCategory } from "../../base/errors.ts";
import { forEach, segment } from "./each.ts";

export function command(): Command {
  const flags = new FlagSet();
  const force = flags.bool("force", false, "Force the removal of a running container (uses SIGKILL)", {
    short: "f",
  });
  const link = flags.bool("link", false, "Remove the specified link", { short: "l" });
  const volumes = flags.bool("volumes", false, "Remove anonymous volumes associated with the container", {
    short: "v",
  });
  return {
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    flags,
    arguments: atLeast(1),
    async run(cli, words) {
      const engine = await cli.engine();
      return forEach(cli, words, async (word) => {
        const name = word.replace(/^\/+|\/+$/g, "");
        if (name === "") throw new Exit(1, "Container name cannot be empty");
        try {
          await engine.run({
            method: "DELETE",
            path: `/containers/${segment(name)}`,
            query: {
              force: force.value ? 1 : undefined,
              link: link.value ? 1 : undefined,
              v: volumes.value ? 1 : undefined,
            },
          });
        } catch (error) {
          // Docker's CLI treats a forced removal of nothing as done, with the error shown.
          if (!force.value || !isCategory(error, "not_found")) throw error;
          await cli.warn(`Error response from daemon: ${error.message}`);
          return undefined;
        }
        return word;
      });
    },
  };
}
