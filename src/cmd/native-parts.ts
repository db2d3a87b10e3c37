/** Where this program's native parts are: beside the executable, or below build/ when it runs from its sources. */
import { dirname, join } from "node:path";

export interface NativeParts {
  readonly shim: string;
  readonly addon: string;
  /** What starts this program as gantry-runc. */
  readonly launcher: string;
  /** What starts it as gantry. */
  readonly client: string;
  /** The program of the image hello-world. */
  readonly hello: string;
}

export function findNativeParts(): NativeParts {
  const isCompiled = import.meta.url.includes("/$bunfs/");
  const directory = isCompiled ? dirname(process.execPath) : join(import.meta.dirname, "..", "..", "build");
  return {
    shim: join(directory, "gantry-shim"),
    addon: join(directory, "gantry.node"),
    launcher: join(directory, "gantry-runc"),
    client: join(directory, "gantry"),
    hello: join(directory, "hello"),
  };
}
