import type { Verb } from "../context.ts";
import { START_FLAGS, startContainer } from "../start-container.ts";

export const verb: Verb = {
  summary: "create a container from a bundle and start it",
  usage: "<container-id>",
  flags: [
    ...START_FLAGS,
    { names: ["detach", "d"], kind: "switch", help: "return when the program runs" },
    { names: ["keep"], kind: "switch", help: "do not delete the container when it has ended" },
    { names: ["no-subreaper"], kind: "switch", help: "do not reap processes that lost their parent" },
  ],
  least: 1,
  most: 1,
  isResident: true,
  failurePrefix: "run failed: ",
  run: (context, { flags, args }) =>
    startContainer(context, flags, args[0] ?? "", flags.isOn("detach") ? "detach" : "wait"),
};
