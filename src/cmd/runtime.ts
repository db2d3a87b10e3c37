/** gantry-runc: the OCI runtime as a command. So far it only shows what it would do. */
import { closeSync, openSync, readSync } from "node:fs";
import { join, resolve } from "node:path";
import { fail, messageOf } from "../base/errors.ts";
import { markFileBinds } from "../linux/bind-sources.ts";
import { readHostFacts } from "../linux/host-facts.ts";
import { compile } from "../runtime/compile.ts";
import { printPlan } from "../runtime/plan-print.ts";
import { decodeSpec } from "../specs/oci-runtime/decode.ts";

const USAGE = "usage: gantry-runc plan --bundle DIRECTORY";
const MAX_CONFIG_BYTES = 16 << 20;

/** Returns the exit code. */
export function main(args: readonly string[], write: (text: string) => void): number {
  try {
    const [command, flag, bundle] = args;
    if (command !== "plan" || flag !== "--bundle" || bundle === undefined || args.length !== 3)
      throw fail("invalid_argument", USAGE);
    write(planOfBundle(resolve(bundle)));
    return 0;
  } catch (error) {
    process.stderr.write(`gantry-runc: ${messageOf(error)}\n`);
    return 1;
  }
}

function planOfBundle(bundle: string): string {
  const spec = markFileBinds(decodeSpec(readConfig(join(bundle, "config.json"))));
  const plan = compile({
    spec,
    rootfs: { kind: "bind", source: resolve(bundle, spec.root?.path ?? "rootfs") },
    staging: join(bundle, "rootfs"),
    taskId: bundle.split("/").at(-1) ?? "",
    facts: readHostFacts(),
    init: false,
  });
  return printPlan(plan);
}

function readConfig(path: string): string {
  const buffer = Buffer.alloc(MAX_CONFIG_BYTES + 1);
  const descriptor = openSync(path, "r");
  try {
    let used = 0;
    for (let bytes = -1; bytes !== 0 && used < buffer.length; used += bytes)
      bytes = readSync(descriptor, buffer, used, buffer.length - used, null);
    if (used > MAX_CONFIG_BYTES)
      throw fail("invalid_argument", `"${path}" is larger than ${MAX_CONFIG_BYTES} bytes`);
    return buffer.toString("utf8", 0, used);
  } finally {
    closeSync(descriptor);
  }
}
