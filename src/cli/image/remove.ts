import { isFields, text } from "../../client/fields.ts";
import { isCategory } from "../../base/errors.ts";
import { atLeast, type Command } from "../command.ts";
import { describe } from "../dispatch.ts";
import { FlagSet } from "../flags.ts";
import { imagePath } from "./path.ts";
import { platformQuery } from "./platform.ts";

export function command(): Command {
  const flags = new FlagSet();
  const force = flags.bool("force", false, "Force removal of the image", { short: "f" });
  const noPrune = flags.bool("no-prune", false, "Do not delete untagged parents");
  const platform = flags.list("platform", "Remove only the given platform variant", { valueName: "strings" });
  return {
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    flags,
    arguments: atLeast(1),
    async run(cli, names) {
      const engine = await cli.engine();
      const platforms = platform.value
        .flatMap((text) => text.split(","))
        .flatMap((text) => platformQuery(text) ?? []);
      const failures: string[] = [];
      let status = 0;
      for (const name of names) {
        try {
          const deleted = await engine.json({
            method: "DELETE",
            path: imagePath(name),
            query: {
              force: force.value ? 1 : undefined,
              noprune: noPrune.value ? 1 : undefined,
              platforms: platforms.length > 0 ? platforms : undefined,
            },
          });
          for (const item of Array.isArray(deleted) ? deleted.filter(isFields) : []) {
            const untagged = text(item, "Untagged");
            await cli.print(untagged === "" ? `Deleted: ${text(item, "Deleted")}` : `Untagged: ${untagged}`);
          }
        } catch (error) {
          failures.push(describe(error));
          if (!force.value || !isCategory(error, "not_found")) status = 1;
        }
      }
      if (failures.length > 0) await cli.warn(failures.join("\n"));
      return status;
    },
  };
}
