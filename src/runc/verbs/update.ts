import { updateCgroup } from "../../linux/cgroup-update.ts";
import { fail } from "../../base/errors.ts";
import { loadContainer } from "../container.ts";
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
    const resources = resourcesFrom(flags, context.workingDirectory);
    if (conditionOf(container).status === "stopped") throw fail("conflict", "container not running");
    await updateCgroup(container.record.cgroupDirs, resources);
    return 0;
  },
};
