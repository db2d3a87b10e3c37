import { type Command, exactly } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { checkOutput, writeArchive } from "../output/to-file.ts";
import { segment } from "./each.ts";

export function command(): Command {
  const flags = new FlagSet();
  const output = flags.string("output", "", "Write to a file, instead of STDOUT", { short: "o" });
  return {
    usage: "[OPTIONS] CONTAINER",
    flags,
    arguments: exactly(1),
    async run(cli, [name = ""]) {
      await checkOutput(output.value, "failed to export container");
      const engine = await cli.engine();
      const { body } = await engine.call({ method: "GET", path: `/containers/${segment(name)}/export` });
      await writeArchive(cli, output.value, body);
      return 0;
    },
  };
}
