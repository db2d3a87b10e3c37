import { fieldsOf, textList } from "../../client/fields.ts";
import { atLeast, type Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { type PortBinding, parsePublish } from "../options/ports.ts";
import { restartPolicy } from "../options/create-body.ts";
import { limitFlags, limitsBody } from "../options/limits.ts";
import { rateFlags } from "../options/rates.ts";
import { fromPairs } from "../options/values.ts";
import { forEach, segment } from "./each.ts";

export function command(): Command {
  const flags = new FlagSet();
  const wishes = updateFlags(flags);
  return {
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    flags,
    arguments: atLeast(1),
    async run(cli, names) {
      if (!flags.all().some(({ changed }) => changed))
        throw new Exit(1, "you must provide one or more flags when using this command");
      const body = updateBody(wishes);
      const engine = await cli.engine();
      const warnings: string[] = [];
      const status = await forEach(cli, names, async (name) => {
        const path = `/containers/${segment(name)}/update`;
        const answer = fieldsOf(await engine.json({ method: "POST", path, json: body }));
        warnings.push(...textList(answer, "Warnings"));
        return name;
      });
      if (warnings.length > 0) await cli.print(warnings.join("\n"));
      return status;
    },
  };
}

export function updateFlags(flags: FlagSet) {
  return {
    ...limitFlags(flags),
    ...rateFlags(flags),
    publishAdd: flags.list("publish-add", "Publish one more port of a container to the host"),
    publishRemove: flags.list("publish-rm", "Publish a port of a container no longer"),
    restart: flags.string("restart", "", "Restart policy to apply when a container exits"),
  };
}

/** The body of `POST /containers/{id}/update`. */
export function updateBody(flags: ReturnType<typeof updateFlags>): Readonly<Record<string, unknown>> {
  const { publishAdd, publishRemove, rateIn, rateOut, restart } = flags;
  return {
    ...limitsBody(flags),
    ...(restart.changed ? { RestartPolicy: usable(() => restartPolicy(restart.value)) } : {}),
    Networking: {
      ...(publishAdd.changed ? { PublishAdd: bindingsOf(publishAdd.value) } : {}),
      ...(publishRemove.changed ? { PublishRemove: bindingsOf(publishRemove.value) } : {}),
      ...(rateIn.changed ? { RateIn: rateIn.value } : {}),
      ...(rateOut.changed ? { RateOut: rateOut.value } : {}),
    },
  };
}

function bindingsOf(specs: readonly string[]): Readonly<Record<string, readonly PortBinding[]>> {
  const bindings = new Map<string, PortBinding[]>();
  for (const { port, binding } of usable(() => specs.flatMap(parsePublish))) {
    const known = bindings.get(port);
    if (known === undefined) bindings.set(port, [binding]);
    else known.push(binding);
  }
  return fromPairs(bindings);
}

/** What a grammar refuses ends the command. */
function usable<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new Exit(1, error instanceof Error ? error.message : String(error));
  }
}
