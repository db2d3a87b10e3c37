import { printPlan } from "../../runtime/plan-print.ts";
import type { Verb } from "../context.ts";
import { START_FLAGS, compileStart } from "../start-container.ts";
import { fail } from "../../base/errors.ts";
import { planJson } from "../plan-json.ts";

export const verb: Verb = {
  summary: "show step by step what `create` would do",
  usage: "[<container-id>]",
  flags: [
    ...START_FLAGS.filter(({ names }) => ["bundle", "no-new-keyring"].includes(names[0] ?? "")),
    { names: ["format", "f"], kind: "text", help: '"text" (default) or "json"' },
  ],
  least: 0,
  most: 1,
  run(context, { flags, args }) {
    const format = flags.text("format") || "text";
    if (format !== "text" && format !== "json")
      throw fail("invalid_argument", `invalid format option: ${format}`);
    const { plan } = compileStart(context, flags, args[0] ?? "ID");
    context.write(format === "text" ? printPlan(plan) : planJson(plan));
    return 0;
  },
};
