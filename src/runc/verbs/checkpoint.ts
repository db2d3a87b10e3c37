import { fail } from "../../base/errors.ts";
import type { Verb } from "../context.ts";

export const verb: Verb = {
  summary: "not supported: store a running container in files",
  usage: "<container-id>",
  flags: [],
  least: 1,
  most: 1,
  run() {
    throw fail("not_implemented", "checkpoint is not supported by this runtime");
  },
};
