import type { Verb } from "../context.ts";
import { checkpointContainer } from "../checkpoint-container.ts";
import { CRIU_FLAGS } from "../criu.ts";

export const verb: Verb = {
  summary: "store a running container in files, and end it; needs criu",
  usage: "<container-id>",
  flags: [
    ...CRIU_FLAGS,
    {
      names: ["parent-path"],
      kind: "text",
      help: "earlier images of a --pre-dump, relative to --image-path",
    },
    { names: ["leave-running"], kind: "switch", help: "let the container go on" },
    { names: ["pre-dump"], kind: "switch", help: "store memory alone, and let the container go on" },
    { names: ["tcp-skip-in-flight"], kind: "switch", help: "leave out TCP connections that are being made" },
    { names: ["link-remap"], kind: "switch", help: "give a name to files that have none any more" },
    { names: ["page-server"], kind: "text", help: "ADDRESS:PORT of a page server that takes the memory" },
    { names: ["status-fd"], kind: "integer", refused: "it is of use with --lazy-pages alone" },
  ],
  least: 1,
  most: 1,
  failurePrefix: "checkpoint failed: ",
  async run(context, { flags, args }) {
    await checkpointContainer(context, flags, args[0] ?? "");
    return 0;
  },
};
