import { type Fields, text, child } from "../../client/fields.ts";
import { messageOf } from "../../base/errors.ts";
import { jsonLines } from "../../client/json-lines.ts";
import { type Command, exactly } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { plainText } from "../output/plain-text.ts";
import { showProgress } from "../output/progress.ts";
import { formatReference, parseReference, type Reference, withDefaultTag } from "../reference.ts";
import { registryAuth } from "../registry-auth.ts";
import { isTerminal, terminalSize } from "../terminal.ts";
import { imagePath } from "./path.ts";
import { platformQuery } from "./platform.ts";

export function command(): Command {
  const flags = new FlagSet();
  const allTags = flags.bool("all-tags", false, "Push all tags of an image to the repository", {
    short: "a",
  });
  const trust = flags.bool("disable-content-trust", true, "Skip image signing");
  const platform = flags.string(
    "platform",
    "",
    "Push a platform-specific manifest as a single-platform image",
  );
  const quiet = flags.bool("quiet", false, "Suppress verbose output", { short: "q" });
  return {
    usage: "[OPTIONS] NAME[:TAG]",
    flags,
    arguments: exactly(1),
    async run(cli, [name = ""]) {
      if (!trust.value) throw new Exit(1, "content trust is not supported: --disable-content-trust=false");
      const given = referenceOf(name);
      if (allTags.value && (given.tag !== "" || given.digest !== ""))
        throw new Exit(1, "tag can't be used with --all-tags/-a");
      if (given.digest !== "") throw new Exit(1, "cannot push a digest reference");
      const reference = withDefaultTag(given);
      if (!allTags.value && given.tag === "" && !quiet.value)
        await cli.print(`Using default tag: ${reference.tag}`);
      const engine = await cli.engine();
      const response = await engine.call({
        method: "POST",
        path: `${imagePath(reference.name)}/push`,
        query: { tag: allTags.value ? undefined : reference.tag, platform: platformQuery(platform.value) },
        headers: await registryAuth(cli, reference.name),
      });
      const notes: string[] = [];
      const terminal = !quiet.value && (await isTerminal(1));
      await showProgress(jsonLines(response.body), {
        sink: quiet.value ? { write: async () => {} } : cli.out,
        size: terminal ? terminalSize : undefined,
        onAux: (aux) => void notes.push(...noteOf(aux)),
      });
      if (quiet.value) await cli.print(`docker.io/${formatReference(reference)}`.replace(HAS_HOST, ""));
      for (const note of notes) await cli.warn(note);
      return 0;
    },
  };
}

/** The name has a registry already: the default one in front of it was too much. */
const HAS_HOST = /^docker\.io\/(?=(?:localhost|[^/]*[.:][^/]*)(?::\d+)?\/)/;

/** Of a name with several platforms of which not all are here, one manifest was pushed. */
function noteOf(aux: Fields): readonly string[] {
  if (aux["manifestPushedInsteadOfIndex"] !== true) return [];
  const from = plainText(text(child(aux, "originalIndex"), "digest"));
  const to = plainText(text(child(aux, "selectedManifest"), "digest"));
  return [
    `\nNot all multiplatform-content is present and only the available single-platform image was pushed\n${from} -> ${to}`,
  ];
}

function referenceOf(name: string): Reference {
  try {
    return parseReference(name);
  } catch (error) {
    throw new Exit(1, messageOf(error));
  }
}
