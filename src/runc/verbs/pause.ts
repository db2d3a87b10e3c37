import { fail } from "../../base/errors.ts";
import { freezeNow } from "../../linux/cgroup-now.ts";
import { loadContainer } from "../container.ts";
import type { Verb } from "../context.ts";
import { conditionOf } from "../status.ts";

export const verb: Verb = {
  summary: "stop all processes of a container where they are",
  usage: "<container-id>",
  flags: [],
  least: 1,
  most: 1,
  isResident: true,
  async run({ root, caller }, { args }) {
    const container = loadContainer(root, args[0] ?? "");
    const { status } = conditionOf(container);
    if (status !== "running" && status !== "created")
      throw fail("conflict", `container not running or created: ${status}`);
    await caller.begin();
    await freezeNow(container.record.cgroupDirs, (ms) => caller.sleep(ms));
    return 0;
  },
};
