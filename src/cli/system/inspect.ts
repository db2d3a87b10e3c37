import type { EngineClient, EngineRequest } from "../../client/engine-client.ts";
import { isCategory } from "../../base/errors.ts";
import { atLeast, type Command } from "../command.ts";
import { segment } from "../container/each.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { imagePath } from "../image/path.ts";
import { inspectEach } from "../output/inspect.ts";
import { INSPECT_FORMAT_USAGE } from "../output/usage.ts";

/** In the order in which a name is looked for. */
const KINDS: ReadonlyMap<string, (name: string) => string> = new Map([
  ["container", (name: string) => `/containers/${segment(name)}/json`],
  ["image", (name: string) => `${imagePath(name)}/json`],
  ["network", (name: string) => `/networks/${segment(name)}`],
  ["volume", (name: string) => `/volumes/${segment(name)}`],
]);

export function command(): Command {
  const flags = new FlagSet();
  const format = flags.string("format", "", INSPECT_FORMAT_USAGE, { short: "f" });
  const size = flags.bool("size", false, "Display total file sizes if the type is container", { short: "s" });
  const type = flags.string("type", "", "Return JSON for specified type");
  return {
    usage: "[OPTIONS] NAME|ID [NAME|ID...]",
    flags,
    arguments: atLeast(1),
    async run(cli, names) {
      if (type.value !== "" && !KINDS.has(type.value))
        throw new Exit(1, `${JSON.stringify(type.value)} is not a valid value for --type`);
      const engine = await cli.engine();
      const kinds = type.value !== "" ? [type.value] : [...KINDS.keys()];
      return inspectEach(cli, names, format.value, (name) => find(engine, kinds, name, size.value));
    },
  };
}

async function find(
  engine: EngineClient,
  kinds: readonly string[],
  name: string,
  size: boolean,
): Promise<string> {
  for (const kind of kinds) {
    const path = KINDS.get(kind)?.(name) ?? "";
    const request: EngineRequest = {
      method: "GET",
      path,
      query: { size: size && kind === "container" ? 1 : undefined },
    };
    try {
      return await engine.text(request);
    } catch (error) {
      if (kinds.length === 1 || !isCategory(error, "not_found")) throw error;
    }
  }
  throw new Exit(1, `Error: No such object: ${name}`);
}
