import type { Verb } from "../context.ts";
import { START_FLAGS, startContainer } from "../start-container.ts";

export const verb: Verb = {
  summary: "create a container from a bundle; its program waits for `start`",
  usage: "<container-id>",
  flags: START_FLAGS,
  least: 1,
  most: 1,
  isResident: true,
  failurePrefix: "create failed: ",
  run: (context, { flags, args }) => startContainer(context, flags, args[0] ?? "", "create"),
};
