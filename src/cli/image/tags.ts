import { messageOf } from "../../base/errors.ts";
import { fieldsOf, textList } from "../../client/fields.ts";
import { type Command, exactly } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { plainText } from "../output/plain-text.ts";
import { parseReference } from "../reference.ts";
import { registryAuth } from "../registry-auth.ts";
import { distributionPath } from "./path.ts";

export function command(): Command {
  return {
    usage: "REPOSITORY",
    flags: new FlagSet(),
    arguments: exactly(1),
    async run(cli, [repository = ""]) {
      const { name } = repositoryOf(repository);
      const engine = await cli.engine();
      const headers = await registryAuth(cli, name);
      const answer = fieldsOf(
        await engine.json({ method: "GET", path: `${distributionPath(name)}/tags`, headers }),
      );
      await cli.out.write(
        textList(answer, "Tags")
          .map((tag) => `${plainText(tag)}\n`)
          .join(""),
      );
      return 0;
    },
  };
}

function repositoryOf(text: string) {
  try {
    const reference = parseReference(text);
    if (reference.tag === "" && reference.digest === "") return reference;
  } catch (error) {
    throw new Exit(1, messageOf(error));
  }
  throw new Exit(1, `"${text}" is an image: name its repository, without tag and digest`);
}
