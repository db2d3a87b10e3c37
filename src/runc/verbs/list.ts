import { fail, isCategory, messageOf } from "../../base/errors.ts";
import { type Container, listIds, loadContainer } from "../container.ts";
import type { Context, Verb } from "../context.ts";
import { type Description, describe } from "../description.ts";
import { table } from "../table.ts";

export const verb: Verb = {
  summary: "list the containers below the root",
  usage: "",
  flags: [
    { names: ["format", "f"], kind: "text", help: '"table" (default) or "json"' },
    { names: ["quiet", "q"], kind: "switch", help: "ids only" },
  ],
  least: 0,
  most: 0,
  run(context, { flags }) {
    const format = flags.text("format") || "table";
    if (format !== "table" && format !== "json")
      throw fail("invalid_argument", `invalid format option: ${format}`);
    const containers = all(context);
    if (flags.isOn("quiet")) context.write(containers.map(({ id }) => `${id}\n`).join(""));
    else if (format === "json")
      // Go's encoder says null for a list that nothing was put into.
      context.write(`${JSON.stringify(containers.length === 0 ? null : containers.map(describe))}\n`);
    else context.write(asTable(containers.map(describe)));
    return 0;
  },
};

/** One that goes away meanwhile is left out; a damaged one is told, and the others are listed all the same. */
function all({ root, log }: Context): Container[] {
  return listIds(root).flatMap((id) => {
    try {
      return [loadContainer(root, id)];
    } catch (error) {
      if (!isCategory(error, "not_found")) log.warn(`container ${id}: ${messageOf(error)}`);
      return [];
    }
  });
}

function asTable(rows: readonly Description[]): string {
  return table([
    ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"],
    ...rows.map(({ id, pid, status, bundle, created, owner }) => [
      id,
      String(pid),
      status,
      bundle,
      created,
      owner,
    ]),
  ]);
}
