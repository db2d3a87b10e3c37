import { fail, isCategory } from "../../base/errors.ts";
import type { Verb } from "../context.ts";
import { checkContainerId } from "../container-id.ts";
import { removeRemains } from "../container.ts";
import { deleteContainer } from "../delete-container.ts";

export const verb: Verb = {
  summary: "delete a container that has ended, with all that it holds",
  usage: "<container-id>",
  flags: [
    { names: ["force", "f"], kind: "switch", help: "kill it first; a container that does not exist is fine" },
  ],
  least: 1,
  most: 1,
  isResident: true,
  async run(context, { flags, args }) {
    const id = checkContainerId(args[0] ?? "");
    const force = flags.isOn("force");
    try {
      await deleteContainer(context, id, force);
      return 0;
    } catch (error) {
      if (isCategory(error, "not_found")) {
        await context.caller.begin();
        if (removeRemains(context.root, id, context.caller.identity()) || force) return 0;
      }
      throw isCategory(error, "not_found") ? fail("not_found", "container does not exist", error) : error;
    }
  },
};
