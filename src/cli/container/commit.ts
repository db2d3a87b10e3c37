import { messageOf } from "../../base/errors.ts";
import { fieldsOf, text } from "../../client/fields.ts";
import type { Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { parseReference, withDefaultTag } from "../reference.ts";

export function command(): Command {
  const flags = new FlagSet();
  const author = flags.string("author", "", 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', {
    short: "a",
  });
  const change = flags.list("change", "Apply Dockerfile instruction to the created image", { short: "c" });
  const message = flags.string("message", "", "Commit message", { short: "m" });
  const pause = flags.bool("pause", true, "Pause container during commit", { short: "p" });
  return {
    usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    flags,
    arguments: { least: 1, most: 2 },
    async run(cli, [container = "", target = ""]) {
      const { name, tag } = targetOf(target);
      const engine = await cli.engine();
      const answer = await engine.json({
        method: "POST",
        path: "/commit",
        query: {
          container,
          repo: name || undefined,
          tag: tag || undefined,
          author: author.value || undefined,
          comment: message.value || undefined,
          changes: change.value,
          pause: pause.value ? undefined : 0,
        },
      });
      await cli.print(text(fieldsOf(answer), "Id"));
      return 0;
    },
  };
}

function targetOf(target: string): { readonly name: string; readonly tag: string } {
  if (target === "") return { name: "", tag: "" };
  try {
    const { name, tag, digest } = withDefaultTag(parseReference(target));
    if (digest !== "") throw new Error("cannot commit to digest reference");
    return { name, tag };
  } catch (error) {
    throw new Exit(1, messageOf(error));
  }
}
