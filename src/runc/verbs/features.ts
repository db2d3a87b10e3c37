import type { Verb } from "../context.ts";
import { features } from "../features.ts";

export const verb: Verb = {
  summary: "show what this runtime can do, as JSON",
  usage: "",
  flags: [],
  least: 0,
  most: 0,
  run(context) {
    context.write(`${JSON.stringify(features(context.version, context.commit), undefined, 4)}\n`);
    return 0;
  },
};
