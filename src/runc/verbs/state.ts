import type { Verb } from "../context.ts";
import { loadContainer } from "../container.ts";
import { describe } from "../description.ts";

export const verb: Verb = {
  summary: "show what a container is doing, as JSON",
  usage: "<container-id>",
  flags: [],
  least: 1,
  most: 1,
  isResident: true,
  run(context, { args }) {
    context.write(`${JSON.stringify(describe(loadContainer(context.root, args[0] ?? "")), undefined, 2)}\n`);
    return 0;
  },
};
