import { fail } from "../../base/errors.ts";
import { thawNow } from "../../linux/cgroup-now.ts";
import { loadContainer } from "../container.ts";
import type { Verb } from "../context.ts";
import { conditionOf } from "../status.ts";

export const verb: Verb = {
  summary: "let the processes of a paused container go on",
  usage: "<container-id>",
  flags: [],
  least: 1,
  most: 1,
  isResident: true,
  async run({ root, caller }, { args }) {
    const container = loadContainer(root, args[0] ?? "");
    if (conditionOf(container).status !== "paused") throw fail("conflict", "container not paused");
    await caller.begin();
    thawNow(container.record.cgroupDirs);
    return 0;
  },
};
