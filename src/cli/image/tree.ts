/** The layers of an image, base first, each with its size, what made it, and the other images that stand on it. */
import { formatDecimalSize } from "../../base/units.ts";
import { child, type Fields, fieldsOf, isFields, number, text, textList } from "../../client/fields.ts";
import { type Command, exactly } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { plainText } from "../output/plain-text.ts";
import { ellipsis, shortId } from "../output/text.ts";
import { imagePath } from "./path.ts";
import { platformQuery } from "./platform.ts";

const CREATED_BY_LENGTH = 60;

export function command(): Command {
  const flags = new FlagSet();
  const noTrunc = flags.bool("no-trunc", false, "Don't truncate output");
  const platform = flags.string("platform", "", "Show the image for the given platform");
  return {
    usage: "[OPTIONS] IMAGE",
    flags,
    arguments: exactly(1),
    async run(cli, [name = ""]) {
      const engine = await cli.engine();
      const get = async (path: string): Promise<unknown> =>
        await engine.json({ method: "GET", path, query: { platform: platformQuery(platform.value) } });
      const image = fieldsOf(await get(`${imagePath(name)}/json`));
      const history = await get(`${imagePath(name)}/history`);
      const listed = await engine.json({ method: "GET", path: "/images/json", query: { all: 1 } });
      const others = await Promise.all(
        (Array.isArray(listed) ? listed.filter(isFields) : [])
          .filter((other) => text(other, "Id") !== text(image, "Id"))
          .map(async (other) =>
            fieldsOf(await engine.json({ method: "GET", path: `${imagePath(text(other, "Id"))}/json` })),
          ),
      );
      const steps = Array.isArray(history) ? history.filter(isFields) : [];
      await cli.out.write(drawTree(image, steps, others, !noTrunc.value));
      return 0;
    },
  };
}

export function drawTree(
  image: Fields,
  history: readonly Fields[],
  others: readonly Fields[],
  truncate: boolean,
): string {
  const diffIds = layersOf(image);
  const steps = stepsOf(diffIds, history);
  const rows = diffIds.map((diffId, i) => {
    const sharers = others.filter((other) => isPrefix(diffIds.slice(0, i + 1), layersOf(other)));
    return { diffId, size: steps[i]?.size ?? 0, by: steps[i]?.by ?? "", sharers: sharers.map(nameOf) };
  });
  const shared = rows.reduce((sum, { size, sharers }) => sum + (sharers.length > 0 ? size : 0), 0);
  const unique = number(image, "Size") - shared;
  const head = `${nameOf(image)} ${shortId(text(image, "Id"))}  ${formatDecimalSize(number(image, "Size"))} (shared ${formatDecimalSize(shared)}, unique ${formatDecimalSize(unique)})\n`;
  const lines = rows.map(({ diffId, size, by, sharers }, i) => {
    const branch = i === rows.length - 1 ? "└─" : "├─";
    const id = truncate ? shortId(diffId) : diffId;
    const made = truncate ? ellipsis(by, CREATED_BY_LENGTH) : by;
    const who = sharers.length === 0 ? "unique" : `shared with ${sharers.toSorted().join(", ")}`;
    return `${branch} ${id}  ${formatDecimalSize(size).padStart(7)}  ${who}${made === "" ? "" : `  ${made}`}\n`;
  });
  return head + lines.join("");
}

function layersOf(image: Fields): readonly string[] {
  return textList(child(image, "RootFS"), "Layers");
}

function isPrefix(prefix: readonly string[], layers: readonly string[]): boolean {
  return prefix.every((diffId, i) => layers[i] === diffId);
}

/** A layer's step of the history; steps without a layer have size 0 there, and say nothing else to know them by. */
function stepsOf(
  diffIds: readonly string[],
  history: readonly Fields[],
): readonly { readonly size: number; readonly by: string }[] {
  const steps = history
    .map((step) => ({
      size: number(step, "Size"),
      by: plainText(text(step, "CreatedBy") || text(step, "Comment")).replaceAll(/[\t\n]/g, " "),
    }))
    .toReversed();
  if (steps.length === diffIds.length) return steps;
  const made = steps.filter(({ size }) => size > 0);
  return made.length === diffIds.length ? made : diffIds.map((_, i) => made[i] ?? { size: 0, by: "" });
}

function nameOf(image: Fields): string {
  return textList(image, "RepoTags")[0] ?? shortId(text(image, "Id"));
}
