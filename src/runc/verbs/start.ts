import { fail } from "../../base/errors.ts";
import { loadContainer } from "../container.ts";
import type { Verb } from "../context.ts";
import { becomePerformer } from "../performer.ts";
import { conditionOf } from "../status.ts";

export const verb: Verb = {
  summary: "let the program of a created container run",
  usage: "<container-id>",
  flags: [],
  least: 1,
  most: 1,
  run(context, { args }) {
    const container = loadContainer(context.root, args[0] ?? "");
    const { status } = conditionOf(container);
    switch (status) {
      case "created":
        return becomePerformer(context, { verb: "start", state: container.directory });
      case "stopped":
        throw fail("conflict", "cannot start a container that has stopped");
      case "running":
        throw fail("conflict", "cannot start an already running container");
      case "creating":
      case "paused":
        throw fail("conflict", `cannot start a container in the ${status} state`);
    }
  },
};
