/**
 * `gantry recreate`: the same container again, with what is to be different. The engine does it as a whole or not at all
 * (`src/engine/containers/recreate.ts`).
 */
import { child, fieldsOf, text, textList } from "../../client/fields.ts";
import { messageOf } from "../../base/errors.ts";
import type { EngineClient } from "../../client/engine-client.ts";
import type { Cli } from "../cli.ts";
import { type Command, exactly } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { readEnvironment } from "../options/environment.ts";
import { checkEnvironmentVariable, fromPairs } from "../options/values.ts";
import { parseReference, withDefaultTag } from "../reference.ts";
import { segment } from "./each.ts";

export function command(): Command {
  const flags = new FlagSet();
  const wishes = recreateFlags(flags);
  return {
    usage: "[OPTIONS] CONTAINER",
    flags,
    arguments: exactly(1),
    async run(cli, [name = ""]) {
      const body = await recreateBody(cli, wishes);
      const engine = await cli.engine();
      const { pull, platform, signal, timeout } = wishes;
      const wanted = platform.value || cli.variable("DOCKER_DEFAULT_PLATFORM") || "";
      if (pull.value) await pullAgain(cli, engine, { name, image: wishes.image.value, platform: wanted });
      const answer = fieldsOf(
        await engine.json({
          method: "POST",
          path: `/containers/${segment(name)}/recreate`,
          query: {
            platform: wanted || undefined,
            signal: signal.value || undefined,
            t: timeout.changed ? timeout.value : undefined,
          },
          json: body,
        }),
      );
      for (const warning of textList(answer, "Warnings")) await cli.warn(`WARNING: ${warning}`);
      await cli.print(text(answer, "Id"));
      return 0;
    },
  };
}

function recreateFlags(flags: FlagSet) {
  return {
    env: flags.list("env", "Set environment variables", { short: "e", check: checkEnvironmentVariable }),
    envFile: flags.list("env-file", "Read in a file of environment variables"),
    envRemove: flags.list("env-rm", "Set an environment variable no longer, not even the image's"),
    image: flags.string("image", "", "Use another image"),
    label: flags.list("label", "Set meta data on the container", { short: "l" }),
    platform: flags.string("platform", "", "Set platform if the image has several"),
    pull: flags.bool("pull", false, "Fetch what the image's name means now, first"),
    signal: flags.string("signal", "", "Signal to send to the old container", { short: "s" }),
    timeout: flags.int("timeout", 0, "Seconds to wait before killing the old container", { short: "t" }),
  };
}

async function recreateBody(
  cli: Cli,
  flags: ReturnType<typeof recreateFlags>,
): Promise<Readonly<Record<string, unknown>>> {
  const variables = await readEnvironment(
    flags.envFile.value,
    flags.env.value,
    cli.invocation.environment,
  ).catch((error: unknown) => {
    throw new Exit(1, messageOf(error));
  });
  const labels = flags.label.value.map((label): [string, string] => {
    const at = label.indexOf("=");
    return at < 0 ? [label, ""] : [label.slice(0, at), label.slice(at + 1)];
  });
  return {
    Image: flags.image.value,
    Env: variables.filter((variable) => variable.includes("=")),
    EnvRemove: [...flags.envRemove.value, ...variables.filter((variable) => !variable.includes("="))],
    Labels: fromPairs(labels),
  };
}

interface Wanted {
  readonly name: string;
  /** "" = the container's. */
  readonly image: string;
  readonly platform: string;
}

async function pullAgain(cli: Cli, engine: EngineClient, { name, image, platform }: Wanted): Promise<void> {
  const reference = image || (await imageOf(engine, name));
  const { pullImage } = await import("../image/pull-image.ts");
  await pullImage(cli, engine, withDefaultTag(parseReference(reference)), {
    platform,
    quiet: false,
    progress: cli.err,
  });
}

async function imageOf(engine: EngineClient, name: string): Promise<string> {
  const found = fieldsOf(await engine.json({ method: "GET", path: `/containers/${segment(name)}/json` }));
  return text(child(found, "Config"), "Image");
}
