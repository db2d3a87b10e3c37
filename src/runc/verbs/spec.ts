import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { errnoOf, fail } from "../../base/errors.ts";
import type { Verb } from "../context.ts";
import { exampleSpec } from "../../runtime/example-spec.ts";

export const verb: Verb = {
  summary: "write a config.json to start from",
  usage: "",
  flags: [
    { names: ["bundle", "b"], kind: "text", help: "directory to write it to (default: the current one)" },
    { names: ["rootless"], kind: "switch", help: "with a user namespace that maps root to the caller" },
  ],
  least: 0,
  most: 0,
  run({ workingDirectory }, { flags }) {
    const path = join(resolve(workingDirectory, flags.text("bundle") || "."), "config.json");
    const owner = flags.isOn("rootless")
      ? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
      : undefined;
    try {
      writeFileSync(path, `${JSON.stringify(exampleSpec(owner), undefined, "\t")}\n`, {
        flag: "wx",
        mode: 0o666,
      });
    } catch (cause) {
      if (errnoOf(cause) === "EEXIST")
        throw fail("conflict", "File config.json exists. Remove it first", cause);
      throw cause;
    }
    return 0;
  },
};
