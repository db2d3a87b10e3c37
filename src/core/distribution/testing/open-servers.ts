/** Scripted registries that end with the test that has them. */
import { afterEach } from "bun:test";
import { type Handler, type Scripted, scripted } from "./scripted-registry.ts";

export interface OpenServers {
  readonly serve: (handler: Handler) => Promise<Scripted>;
  /** What ends in the same way. */
  readonly keep: <T extends AsyncDisposable>(one: T) => T;
}

/** Once for a test file. */
export function openServers(): OpenServers {
  const open: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
  });
  const keep = <T extends AsyncDisposable>(one: T): T => {
    open.push(one);
    return one;
  };
  return { keep, serve: async (handler) => keep(await scripted(handler)) };
}
