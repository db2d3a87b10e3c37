import { mkdirSync, statSync } from "node:fs";
import type { HostPaths } from "../../linux/host-paths.ts";

/** Real paths, without the native part: nothing that tests name is silent. */
export const fakeHostPaths: HostPaths = {
  async look(path, makes) {
    const found = statSync(path, { throwIfNoEntry: !makes });
    if (found !== undefined) return { isDirectory: found.isDirectory() };
    mkdirSync(path, { recursive: true });
    return { isDirectory: true };
  },
};
