/** All parts of the comparison; each takes an engine less than a minute. */
import { clashes } from "./sections/clashes.ts";
import { files } from "./sections/files.ts";
import { names } from "./sections/names.ts";
import { publishing } from "./sections/publishing.ts";
import { reach } from "./sections/reach.ts";
import { refusals } from "./sections/refusals.ts";
import { upstreams } from "./sections/upstreams.ts";
import type { World } from "./world.ts";

export const SECTIONS: Readonly<Record<string, (world: World) => Promise<void>>> = {
  publishing,
  clashes,
  reach,
  names,
  upstreams,
  files,
  refusals,
};
