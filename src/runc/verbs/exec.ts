import type { Verb } from "../context.ts";
import { EXEC_FLAGS, execInContainer } from "../exec-process.ts";

export const verb: Verb = {
  summary: "run one more process in a container",
  usage: "<container-id> COMMAND [ARG...] | --process FILE <container-id>",
  flags: EXEC_FLAGS,
  least: 1,
  most: Number.MAX_SAFE_INTEGER,
  passesWords: true,
  isResident: true,
  failureCode: 255,
  failurePrefix: "exec failed: ",
  run: (context, { flags, args }) => execInContainer(context, flags, args),
};
