import { existsSync } from "node:fs";
import { fail } from "../../base/errors.ts";
import { type Container, loadContainer, mainProcess } from "../container.ts";
import type { Context, Verb } from "../context.ts";
import { notifySocket } from "../handed-down.ts";
import { becomePerformer } from "../performer.ts";
import { conditionOf } from "../status.ts";

export const verb: Verb = {
  summary: "let the program of a created container run",
  usage: "<container-id>",
  flags: [],
  least: 1,
  most: 1,
  isResident: true,
  run(context, { args }) {
    const container = loadContainer(context.root, args[0] ?? "");
    const { status } = conditionOf(container);
    switch (status) {
      case "created":
        return startCreated(context, container);
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

async function startCreated(context: Context, container: Container): Promise<number> {
  const main = mainProcess(container);
  if (main === undefined) throw fail("conflict", "cannot start a container that has stopped");
  const notify = notifySocket(context.environment, container.directory);
  const { startPlan } = container.record.needsStartPlan
    ? await import("../start-plan.ts")
    : { startPlan: undefined };
  return becomePerformer(context, {
    verb: "start",
    state: container.directory,
    join: main,
    ...(startPlan === undefined ? {} : { plan: startPlan(container, context.caller) }),
    // Its directory is bound into the container only if there was a service manager when it was created.
    notify: notify !== undefined && existsSync(notify.directory) ? notify : undefined,
  });
}
