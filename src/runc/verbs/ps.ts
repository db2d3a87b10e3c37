import { fail } from "../../base/errors.ts";
import { cgroupMembers } from "../../linux/cgroup-now.ts";
import { loadContainer } from "../container.ts";
import type { Verb } from "../context.ts";
import { conditionOf } from "../status.ts";

export const verb: Verb = {
  summary: "show the processes of a container",
  usage: "<container-id> [PS OPTIONS]",
  flags: [{ names: ["format", "f"], kind: "text", help: '"table" (default) or "json": process ids alone' }],
  least: 1,
  most: 64,
  passesWords: true,
  async run(context, { flags, args }) {
    const [id = "", ...options] = args;
    const format = flags.text("format") || "table";
    if (format !== "table" && format !== "json")
      throw fail("invalid_argument", `invalid format option ${JSON.stringify(format)}`);
    const container = loadContainer(context.root, id);
    const { status, pid } = conditionOf(container);
    const pids = status === "stopped" ? [] : membersOf(container.record.cgroupDirs, pid);
    if (format === "json") context.write(`${JSON.stringify(pids)}\n`);
    else if (options.length === 0 || options.join(" ") === "-ef") {
      const { processTable } = await import("../process-table.ts");
      context.write(processTable(pids));
    } else {
      const { hostPs } = await import("../host-ps.ts");
      context.write(await hostPs(options, pids));
    }
    return 0;
  },
};

/** A container without a cgroup has at least its main process. */
function membersOf(dirs: readonly string[], pid: number): readonly number[] {
  const members = cgroupMembers(dirs);
  return members.length === 0 && pid > 0 ? [pid] : members;
}
