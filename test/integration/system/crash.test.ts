import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { GANTRY, type Engine } from "../../support/engine.ts";
import { busyboxArchive } from "../../support/images.ts";
import { seeded } from "../../support/random.ts";
import { engineSuite } from "../../support/suite.ts";

/** What a client was doing when the daemon was killed, and how long that takes when nobody kills it. */
interface Verb {
  readonly name: string;
  readonly kills: number;
  readonly prepare?: (engine: Engine) => Promise<void>;
  readonly args: (engine: Engine) => Promise<readonly string[]> | readonly string[];
}

const VERBS: readonly Verb[] = [
  {
    name: "create",
    kills: 12,
    args: () => ["create", "--name", "victim", "--network", "none", "busybox", "true"],
  },
  {
    name: "run",
    kills: 20,
    args: () => ["run", "-d", "--name", "victim", "--network", "none", "busybox", "sleep", "1000"],
  },
  {
    name: "run --rm",
    kills: 12,
    args: () => ["run", "--rm", "--name", "victim", "--network", "none", "busybox", "true"],
  },
  {
    name: "rm -f",
    kills: 12,
    prepare: async (e) =>
      void (await e.ok(["run", "-d", "--name", "victim", "--network", "none", "busybox", "sleep", "1000"])),
    args: () => ["rm", "-f", "victim"],
  },
  {
    name: "exec",
    kills: 8,
    prepare: async (e) =>
      void (await e.ok(["run", "-d", "--name", "victim", "--network", "none", "busybox", "sleep", "1000"])),
    args: () => ["exec", "victim", "true"],
  },
  {
    name: "load",
    kills: 12,
    prepare: async (e) => void (await e.gantry(["rmi", "-f", "busybox"])),
    args: async () => ["load", "-q", "-i", await busyboxArchive()],
  },
];

engineSuite("kill -9 of the daemon at a random moment of", {}, (engine) => {
  const random = seeded("crash test");

  async function interrupted(args: readonly string[], delayMs: number): Promise<void> {
    const client = spawn(GANTRY, ["--host", engine().host, ...args], { stdio: "ignore" });
    const ended = new Promise((resolve) => client.once("close", resolve));
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    await engine().kill9();
    await ended;
    await engine().launch();
  }

  for (const verb of VERBS) {
    test(verb.name, async () => {
      await verb.prepare?.(engine());
      const start = performance.now();
      await engine().gantry(await verb.args(engine()));
      const usual = performance.now() - start;
      await engine().gantry(["rm", "-f", "victim"]);
      for (let i = 0; i < verb.kills; i++) {
        await verb.prepare?.(engine());
        await interrupted(await verb.args(engine()), random() * usual * 1.3);
        // The victim is wholly there and usable, or it is not there at all; and its name is free or its own.
        const names = (await engine().ok(["ps", "-a", "--format", "{{.Names}}"]))
          .split("\n")
          .filter((name) => name !== "");
        expect(names.length).toBeLessThanOrEqual(1);
        if (names.length === 1) {
          expect((await engine().api("GET", "/containers/victim/json")).status).toBe(200);
          await engine().ok(["start", "victim"]);
          await engine().ok(["rm", "-f", "victim"]);
        }
        const images = await engine().ok(["images", "-q", "busybox"]);
        if (images === "") await engine().ok(["load", "-q", "-i", await busyboxArchive()]);
        expect(
          (
            await engine().gantry([
              "run",
              "--rm",
              "--name",
              "victim",
              "--network",
              "none",
              "busybox",
              "echo",
              "fine",
            ])
          ).stdout,
        ).toBe("fine\n");
      }
    }, 120_000);
  }
});
