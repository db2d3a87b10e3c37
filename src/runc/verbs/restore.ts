import { fail } from "../../base/errors.ts";
import type { Verb } from "../context.ts";

export const verb: Verb = {
  summary: "not supported: bring back a container from a checkpoint",
  usage: "<container-id>",
  flags: [],
  least: 1,
  most: 1,
  run() {
    throw fail("not_implemented", "restore is not supported by this runtime");
  },
};
