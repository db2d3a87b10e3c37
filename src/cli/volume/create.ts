import { fieldsOf, text } from "../../client/fields.ts";
import type { Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { checkLabel, keyValues } from "../options/values.ts";

export function command(): Command {
  const flags = new FlagSet();
  const driver = flags.string("driver", "local", "Specify volume driver name", { short: "d" });
  const label = flags.list("label", "Set metadata for a volume", { check: checkLabel });
  const name = flags.string("name", "", "Specify volume name", { hidden: true });
  const opt = flags.list("opt", "Set driver specific options", {
    short: "o",
    valueName: "map",
    shownDefault: "map[]",
  });
  return {
    usage: "[OPTIONS] [VOLUME]",
    flags,
    arguments: { least: 0, most: 1 },
    async run(cli, [given]) {
      if (given !== undefined && name.value !== "")
        throw new Exit(
          1,
          "conflicting options: cannot specify a volume name through both --name and as a positional arg",
        );
      const body = {
        Name: given ?? name.value,
        Driver: driver.value,
        ...(opt.value.length === 0 ? {} : { DriverOpts: keyValues(opt.value) }),
        ...(label.value.length === 0 ? {} : { Labels: keyValues(label.value) }),
      };
      const engine = await cli.engine();
      const answer = await engine.json({ method: "POST", path: "/volumes/create", json: body });
      await cli.print(text(fieldsOf(answer), "Name"));
      return 0;
    },
  };
}
