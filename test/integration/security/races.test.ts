/** Set-up while a neighbour with the same volume swaps what is being looked at (CVE-2021-30465, CVE-2025-31133, CVE-2025-52565). */
import { expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../../support/engine.ts";
import { program } from "../../support/programs.ts";
import type { Finished } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { SLOWNESS } from "../../support/until.ts";
import { Victim } from "../../support/victim.ts";

const MINUTES = 300_000;

/** Fewer where everything takes longer: the race is the same. */
const scaled = (count: number): number => Math.ceil(count / SLOWNESS ** 1.3);

/** A container that exchanges the two names in the volume, over and over, until it is removed. */
async function startSwapper(engine: Engine, volume: string, a: string, b: string): Promise<string> {
  copyFileSync(await program("attacker"), join(volume, "attacker"));
  chmodSync(join(volume, "attacker"), 0o755);
  return engine.ok([
    "run",
    "-d",
    "--network",
    "none",
    "-v",
    `${volume}:/v`,
    "busybox",
    "/v/attacker",
    "swap",
    `/v/${a}`,
    `/v/${b}`,
    "280",
  ]);
}

/** Several starts at a time, as attackers' neighbours have them. */
async function startMany(
  count: number,
  start: (index: number) => Promise<Finished>,
): Promise<readonly Finished[]> {
  const results: Finished[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) results.push(await start(next++));
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  return results;
}

engineSuite("races", {}, (engine) => {
  const run = (...args: string[]): Promise<Finished> =>
    engine().gantry(["run", "--rm", "--network", "none", ...args]);

  test(
    "a mount target that is exchanged for a link leads nowhere outside, 500 times",
    async () => {
      const victim = new Victim(join(engine().dir, "victim"));
      const volume = join(engine().dir, "v");
      const other = join(engine().dir, "other");
      mkdirSync(join(volume, "a", "b"), { recursive: true });
      mkdirSync(other);
      writeFileSync(join(other, "mine"), "the volume\n");
      // The same name inside and outside: the link is as good in the container as on the host.
      symlinkSync(victim.dir, join(volume, "link"));
      const before = readFileSync("/proc/self/mountinfo", "utf8");
      const swapper = await startSwapper(engine(), volume, "a", "link");
      const results = await startMany(scaled(500), () =>
        run(
          "-v",
          `${volume}:/x`,
          "-v",
          `${other}:/x/a/b`,
          "--tmpfs",
          "/x/a/t",
          "busybox",
          "sh",
          "-c",
          "cat /x/a/b/mine; cat /x/a/file",
        ),
      );
      await engine().ok(["rm", "-f", swapper]);
      victim.expectUntouched("after all starts");
      expect(readFileSync("/proc/self/mountinfo", "utf8")).toBe(before);
      expect(results.map(({ stdout }) => stdout).join("")).not.toContain(victim.secret);
      expect(results.some(({ stdout }) => stdout.includes("the volume"))).toBe(true);
    },
    MINUTES,
  );

  test(
    "masks hold when the container's /dev/null is somebody else's, and changes, 200 times",
    async () => {
      const dev = join(engine().dir, "dev");
      mkdirSync(dev);
      symlinkSync("/proc/sys/kernel/domainname", join(dev, "link"));
      writeFileSync(join(dev, "null"), "not a device");
      const swapper = await startSwapper(engine(), dev, "null", "link");
      const look =
        "cat /proc/interrupts /proc/keys /proc/timer_list 2>/dev/null | wc -c; (echo pwned > /proc/interrupts) 2>/dev/null; (echo pwned > /proc/sys/kernel/domainname) 2>/dev/null && echo WROTE; ls /sys/firmware; cat /proc/sys/kernel/domainname";
      const results = await startMany(scaled(200), () =>
        run("-v", `${dev}:/dev`, "busybox", "sh", "-c", look),
      );
      await engine().ok(["rm", "-f", swapper]);
      const ran = results.filter(({ code }) => code < 125);
      for (const { stdout } of ran) expect(stdout).toBe("0\n(none)\n");
      // Twin: a container with its own /dev.
      expect((await run("busybox", "sh", "-c", look)).stdout).toBe("0\n(none)\n");
    },
    MINUTES,
  );

  test(
    "a terminal's place is not taken through links in /dev, 200 times",
    async () => {
      const dev = join(engine().dir, "dev-tty");
      mkdirSync(join(dev, "pts"), { recursive: true });
      for (let i = 0; i <= 50; i++) writeFileSync(join(dev, "pts", String(i)), "planted");
      writeFileSync(join(dev, "pts", "ptmx"), "planted");
      writeFileSync(join(dev, "console"), "");
      symlinkSync("/proc/sys/kernel/domainname", join(dev, "link"));
      const swapper = await startSwapper(engine(), dev, "console", "link");
      const results = await startMany(scaled(200), (index) =>
        index % 2 === 0
          ? run(
              "-t",
              "-v",
              `${dev}:/dev`,
              "busybox",
              "sh",
              "-c",
              "(echo pwned > /dev/console) 2>/dev/null; tty; cat /proc/sys/kernel/domainname",
            )
          : run("-t", "-v", `${dev}/pts:/dev/pts`, "busybox", "tty"),
      );
      await engine().ok(["rm", "-f", swapper]);
      for (let i = 0; i <= 50; i++) expect(readFileSync(join(dev, "pts", String(i)), "utf8")).toBe("planted");
      for (const { stdout } of results) {
        expect(stdout).not.toContain("planted");
        expect(stdout).not.toContain("pwned");
      }
      // Twin: a terminal works where nobody is in the way.
      expect((await run("-t", "busybox", "tty")).stdout).toBe("/dev/pts/0\r\n");
    },
    MINUTES,
  );
});
