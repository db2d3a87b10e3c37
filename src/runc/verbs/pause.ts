import { fail } from "../../base/errors.ts";
import { freezeNow } from "../../linux/cgroup-now.ts";
import { loadContainer } from "../container.ts";
import type { Verb } from "../context.ts";
import { sleepMs } from "../files.ts";
import { conditionOf } from "../status.ts";

export const verb: Verb = {
  summary: "stop all processes of a container where they are",
  usage: "<container-id>",
  flags: [],
  least: 1,
  most: 1,
  run({ root }, { args }) {
    const container = loadContainer(root, args[0] ?? "");
    const { status } = conditionOf(container);
    if (status !== "running" && status !== "created")
      throw fail("conflict", `container not running or created: ${status}`);
    freezeNow(container.record.cgroupDirs, sleepMs);
    return 0;
  },
};
