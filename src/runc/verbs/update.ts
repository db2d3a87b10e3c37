import { updateCgroup } from "../../linux/cgroup-update.ts";
import { fail } from "../../base/errors.ts";
import { readHostFacts } from "../../linux/host-facts.ts";
import { changeRdtGroup } from "../../linux/intel-rdt.ts";
import { rdtGroupOf, recordedSpec } from "../cgroup-driver.ts";
import { type Container, loadContainer } from "../container.ts";
import type { Flags } from "../flags.ts";
import type { Verb } from "../context.ts";
import { conditionOf } from "../status.ts";
import { UPDATE_FLAGS, resourcesFrom } from "../update-resources.ts";

export const verb: Verb = {
  summary: "change the limits of a container",
  usage: "<container-id>",
  flags: UPDATE_FLAGS,
  least: 1,
  most: 1,
  async run(context, { flags, args }) {
    const container = loadContainer(context.root, args[0] ?? "");
    const { scope, cgroupDirs } = container.record;
    const resources = resourcesFrom(flags, context.workingDirectory);
    if (conditionOf(container).status === "stopped") throw fail("conflict", "container not running");
    const rdt = rdtChange(container, flags);
    if (scope === undefined) await updateCgroup(cgroupDirs, resources);
    else {
      const { updateScopeOf } = await import("../scope.ts");
      await updateScopeOf(container, scope, resources);
    }
    rdt?.();
    return 0;
  },
};

/** What is left to do for the class of service, checked; undefined: no flag is about it. */
function rdtChange(container: Container, flags: Flags): (() => void) | undefined {
  const change = { l3CacheSchema: flags.text("l3-cache-schema"), memBwSchema: flags.text("mem-bw-schema") };
  if (change.l3CacheSchema === "" && change.memBwSchema === "") return undefined;
  const group = rdtGroupOf(recordedSpec(container), container.id, readHostFacts());
  if (group === undefined)
    throw fail(
      "invalid_argument",
      "the container has no class of service: its config.json has no linux.intelRdt",
    );
  return () => changeRdtGroup(group, change);
}
