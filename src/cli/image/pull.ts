import { messageOf } from "../../base/errors.ts";
import { type Command, exactly } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { formatReference, parseReference, type Reference, withDefaultTag } from "../reference.ts";
import { pullImage } from "./pull-image.ts";

export function command(): Command {
  const flags = new FlagSet();
  const allTags = flags.bool("all-tags", false, "Download all tagged images in the repository", {
    short: "a",
  });
  const trust = flags.bool("disable-content-trust", true, "Skip image verification");
  const platform = flags.string("platform", "", "Set platform if server is multi-platform capable");
  const quiet = flags.bool("quiet", false, "Suppress verbose output", { short: "q" });
  return {
    usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
    flags,
    arguments: exactly(1),
    async run(cli, [name = ""]) {
      if (!trust.value) throw new Exit(1, "content trust is not supported: --disable-content-trust=false");
      const given = referenceOf(name);
      if (allTags.value && (given.tag !== "" || given.digest !== ""))
        throw new Exit(1, "tag can't be used with --all-tags/-a");
      const reference = withDefaultTag(given);
      if (!allTags.value && given.tag === "" && given.digest === "" && !quiet.value)
        await cli.print(`Using default tag: ${reference.tag}`);
      await pullImage(cli, await cli.engine(), reference, {
        platform: platform.value || cli.variable("DOCKER_DEFAULT_PLATFORM") || "",
        quiet: quiet.value,
        progress: cli.out,
        allTags: allTags.value,
      });
      await cli.print(qualifiedName(allTags.value ? given : reference));
      return 0;
    },
  };
}

function referenceOf(name: string): Reference {
  try {
    return parseReference(name);
  } catch (error) {
    throw new Exit(1, messageOf(error));
  }
}

/** With the registry and its default namespace, which Docker prints last. */
function qualifiedName(reference: Reference): string {
  const text = formatReference(reference);
  const [first = ""] = reference.name.split("/", 1);
  const hasHost = reference.name.includes("/") && (/[.:]/.test(first) || first === "localhost");
  if (hasHost) return text;
  return reference.name.includes("/") ? `docker.io/${text}` : `docker.io/library/${text}`;
}
