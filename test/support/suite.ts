/** One engine for the tests of a file, with the leak check around every single one of them. */
import { afterAll, afterEach, beforeAll, beforeEach } from "bun:test";
import { Engine } from "./engine.ts";
import { busyboxArchive } from "./images.ts";
import { descriptors, expectNoLeaks, inventory, type Inventory } from "./leak-check.ts";
import { describeWith, type Requirement } from "./requires.ts";
import { until } from "./until.ts";

export interface SuiteOptions {
  readonly needs?: readonly Requirement[];
  /** Daemon flags. */
  readonly flags?: readonly string[];
  /** Shell text that prepares the host, in mount and network namespaces that only the engine sees. */
  readonly host?: string;
  /** The engine speaks to registries, and keeps connections to them for a while. */
  readonly registries?: boolean;
}

/** As many as the engine keeps for two registries. */
export const IDLE_CONNECTIONS = Array.from({ length: 32 }, (_, i) => `descriptors: socket: (${i + 1})`);

/** `busybox:latest` is loaded; containers a test leaves are removed before the leak check, which then judges that removal. */
export function engineSuite(
  title: string,
  options: SuiteOptions,
  body: (engine: () => Engine) => void,
): void {
  describeWith(title, ["root", "busybox", ...(options.needs ?? [])], () => {
    let engine: Engine | undefined;
    let before: Inventory | undefined;
    const current = (): Engine => {
      if (engine === undefined) throw new Error("the engine did not start");
      return engine;
    };
    beforeAll(async () => {
      const archive = await busyboxArchive();
      engine = await Engine.start(options.flags, options.host);
      await engine.ok(["load", "-q", "-i", archive]);
      // Whatever the daemon makes once and keeps (an inotify descriptor, a prepared statement) is made now.
      await engine.ok(["run", "-d", "--name", "warm-up", "--network", "none", "busybox", "sleep", "100"]);
      const following = engine.ok(["logs", "-f", "warm-up"]);
      const { pid } = engine;
      await until("the daemon to watch a log", () => descriptors(pid).has("anon_inode:inotify (1)"));
      await engine.ok(["rm", "-f", "warm-up"]);
      await following;
    }, 120_000);
    beforeEach(() => {
      before = inventory(current());
    });
    afterEach(async () => {
      const ids = (await current().ok(["ps", "-aq", "--no-trunc"])).split("\n").filter((id) => id !== "");
      if (ids.length > 0) await current().ok(["rm", "-f", "-v", ...ids]);
      if (before !== undefined)
        await expectNoLeaks(current(), before, options.registries === true ? IDLE_CONNECTIONS : []);
    }, 60_000);
    afterAll(async () => {
      await engine?.close();
    }, 60_000);
    body(current);
  });
}
