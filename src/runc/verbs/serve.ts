import { resolve } from "node:path";
import type { Verb } from "../context.ts";

const DEFAULT_SOCKET = "/run/gantry-runc/~serve.sock";

export const verb: Verb = {
  summary: "stay, and do the work of short commands without the start of an interpreter",
  usage: "",
  flags: [{ names: ["socket"], kind: "text", help: `listen there (default: ${DEFAULT_SOCKET})` }],
  least: 0,
  most: 0,
  run: (context, { flags }) =>
    context.serve(resolve(context.workingDirectory, flags.text("socket") || DEFAULT_SOCKET)),
};
