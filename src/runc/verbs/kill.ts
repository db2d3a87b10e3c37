import { fail } from "../../base/errors.ts";
import { cgroupMembers } from "../../linux/cgroup-now.ts";
import { type Container, loadContainer, mainProcess } from "../container.ts";
import type { Context, Verb } from "../context.ts";
import { parseSignal } from "../signals.ts";
import { conditionOf } from "../status.ts";
import { signalIf } from "../../linux/process-identity.ts";
import { isAlive } from "../../linux/process-state.ts";

export const verb: Verb = {
  summary: "send a signal to the main process of a container",
  usage: "<container-id> [SIGNAL]",
  flags: [
    {
      names: ["all", "a"],
      kind: "switch",
      help: "to every process of the container; one that has ended is fine",
    },
  ],
  least: 1,
  most: 2,
  isResident: true,
  async run(context, { flags, args }) {
    const [id = "", name = "SIGTERM"] = args;
    const signal = parseSignal(name);
    const container = loadContainer(context.root, id);
    if (flags.isOn("all")) {
      await context.caller.begin();
      signalAll(context, container, signal);
      return 0;
    }
    const { status } = conditionOf(container);
    const main = mainProcess(container);
    if (status === "stopped" || main === undefined) throw notRunning();
    await context.caller.begin();
    if (!signalIf(context.native(), main.pid, signal, () => isAlive(main))) throw notRunning();
    return 0;
  },
};

function notRunning(): Error {
  return fail("conflict", "container not running");
}

/** Those that are born meanwhile are found in the next round; a signal that does not kill is sent to each just once. */
function signalAll(context: Context, { record }: Container, signal: number): void {
  const done = new Set<number>();
  for (;;) {
    const pids = cgroupMembers(record.cgroupDirs).filter((pid) => !done.has(pid));
    if (pids.length === 0) return;
    for (const pid of pids) {
      done.add(pid);
      signalIf(context.native(), pid, signal, () => cgroupMembers(record.cgroupDirs).includes(pid));
    }
  }
}
