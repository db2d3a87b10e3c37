/** All parts of the comparison, in order; each is a list of commands that stands by itself and takes some seconds. */
import { cp } from "./sections/cp.ts";
import { create } from "./sections/create.ts";
import { exec } from "./sections/exec.ts";
import { images } from "./sections/images.ts";
import { lifecycle } from "./sections/lifecycle.ts";
import { logs } from "./sections/logs.ts";
import { networks } from "./sections/networks.ts";
import { ps } from "./sections/ps.ts";
import { refused } from "./sections/refused.ts";
import { run } from "./sections/run.ts";
import { system } from "./sections/system.ts";
import { update } from "./sections/update.ts";
import { volumes } from "./sections/volumes.ts";

export const SECTIONS: Readonly<Record<string, readonly string[]>> = {
  run,
  refused,
  create,
  lifecycle,
  ps,
  exec,
  logs,
  cp,
  images,
  volumes,
  networks,
  system,
  update,
};
