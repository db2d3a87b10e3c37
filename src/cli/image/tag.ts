import { type Command, exactly } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { parseReference, withDefaultTag } from "../reference.ts";
import { messageOf } from "../../base/errors.ts";
import { imagePath } from "./path.ts";

export function command(): Command {
  return {
    usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    flags: new FlagSet(),
    arguments: exactly(2),
    async run(cli, [source = "", target = ""]) {
      const { name, tag, digest } = targetOf(target);
      if (digest !== "") throw new Exit(1, "refusing to create a tag with a digest reference");
      const engine = await cli.engine();
      await engine.run({ method: "POST", path: `${imagePath(source)}/tag`, query: { repo: name, tag } });
      return 0;
    },
  };
}

function targetOf(target: string) {
  try {
    return withDefaultTag(parseReference(target));
  } catch (error) {
    throw new Exit(
      1,
      `Error parsing reference: ${JSON.stringify(target)} is not a valid repository/tag: ${messageOf(error)}`,
    );
  }
}
