/** The built native part, for tests of it and of what stands on it. Guard with `describeWith(…, ["native"], …)`. */
import { join } from "node:path";
import { loadNative } from "../../src/linux/native-addon.ts";
import type { Native, NativePaths } from "../../src/linux/native.ts";

const build = join(import.meta.dirname, "..", "..", "build");

export const NATIVE_PATHS: NativePaths = {
  shim: join(build, "gantry-shim"),
  addon: join(build, "gantry.node"),
};

let loaded: Native | undefined;

export function builtNative(): Native {
  loaded ??= loadNative(NATIVE_PATHS);
  return loaded;
}
