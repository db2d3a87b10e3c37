/** Who a process is, and what that lets it do: users, groups, capabilities (CVE-2016-3697, CVE-2024-40635, CVE-2022-36109, CVE-2022-29162). */
import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostileImage } from "../../support/hostile-image.ts";
import { program } from "../../support/programs.ts";
import { type Finished, must } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { SLOWNESS } from "../../support/until.ts";
import { Victim } from "../../support/victim.ts";

engineSuite("identity", {}, (engine) => {
  const run = (...args: string[]): Promise<Finished> =>
    engine().gantry(["run", "--rm", "--network", "none", ...args]);

  test(
    "a user that is a number is that number or an error, whatever passwd calls root",
    async () => {
      await hostileImage(engine(), "passwd", (tree) => {
        const names = [
          "4294967296",
          "4294967295",
          "-1",
          "00",
          "0x0",
          "1e3",
          "１",
          "1",
          "2147483648",
          "+0",
          " 0",
        ];
        mkdirSync(join(tree, "etc"));
        writeFileSync(join(tree, "etc/passwd"), names.map((name) => `${name}:x:0:0::/:/bin/sh\n`).join(""));
        writeFileSync(join(tree, "etc/group"), names.map((name) => `${name}:x:0:\n`).join(""));
      });
      const id = await engine().ok(["run", "-d", "--network", "none", "passwd", "sleep", "1000"]);
      const numbers = [
        "1",
        "1:1",
        "1000",
        "2147483647",
        "2147483648",
        "4294967294",
        "4294967295",
        "4294967296",
      ];
      const oddities = [
        "-1",
        "1e3",
        "0x10",
        "+1",
        "1:",
        ":1",
        "a:b:c",
        "99999999999999999999",
        "u".repeat(65_536),
      ];
      for (const user of [...numbers, ...oddities])
        for (const done of [
          await run("-u", user, "passwd", "id", "-u"),
          await engine().gantry(["exec", "-u", user, id, "id", "-u"]),
        ]) {
          const uid = done.stdout.trim();
          const wanted = user.split(":")[0] ?? "";
          if (done.code === 0 && /^\d+$/.test(wanted)) expect(uid, user).toBe(String(Number(wanted)));
          else if (done.code === 0) expect([user, ["1", ""].includes(wanted)]).toEqual([user, true]);
          // An exec tells its failure in the stream.
          else expect(uid, user).not.toMatch(/^\d+$/);
        }
      // Twin
      expect((await run("-u", "0", "passwd", "id", "-u")).stdout).toBe("0\n");
      expect((await run("-u", "1000:50", "busybox", "id")).stdout).toBe(
        "uid=1000(user) gid=50(staff) groups=50(staff)\n",
      );
      expect((await run("-u", "user", "busybox", "id")).stdout).toContain("uid=1000(user) gid=1000(user)");
      await engine().ok(["rm", "-f", id]);
      await engine().ok(["rmi", "-f", "passwd"]);
    },
    60_000 * SLOWNESS,
  );

  test("groups: the primary one is always there, others come from the image only for a user", async () => {
    const groups = async (...args: string[]): Promise<string> =>
      (await run(...args, "busybox", "id", "-G")).stdout.trim();
    expect(await groups("-u", "1000")).toBe("1000 10");
    expect(await groups("-u", "1000:1000")).toBe("1000");
    expect(await groups("-u", "user")).toBe("1000 10");
    expect(await groups("-u", "12345")).toBe("0");
    expect(await groups("-u", "1000:1000", "--group-add", "7", "--group-add", "staff")).toBe("1000 7 50");
    // id(1) would name the primary group even if the list had it not.
    const listed = async (...args: string[]): Promise<string> =>
      (
        await run(...args, "busybox", "sed", "-n", "s/^Groups:[[:space:]]*//p", "/proc/self/status")
      ).stdout.trim();
    expect(await listed("-u", "1000:1000")).toBe("1000");
    expect(await listed("-u", "1000:1000", "--group-add", "7")).toBe("7 1000");
    expect(await listed("-u", "12345")).toBe("0");
    // A file that denies its group denies it to a process which is in that group by any way.
    const denied =
      "touch /tmp/f && chmod 0704 /tmp/f && chgrp 1000 /tmp/f && su user -c 'cat /tmp/f' || true";
    expect((await run("busybox", "sh", "-c", denied)).stderr).toContain("Permission denied");
  });

  test(
    "passwd and group of the image are read with care",
    async () => {
      const victim = new Victim(join(engine().dir, "victim"));
      const cases: readonly (readonly [string, (tree: string) => void | Promise<unknown>])[] = [
        ["zero", (tree) => symlinkSync("/dev/zero", join(tree, "etc/passwd"))],
        ["fifo", (tree) => must(["mkfifo", join(tree, "etc/passwd")])],
        ["link to a fifo", (tree) => must(["sh", "-c", `mkfifo '${tree}/f'; ln -s /f '${tree}/etc/passwd'`])],
        ["host file", (tree) => symlinkSync(join(victim.dir, "file"), join(tree, "etc/passwd"))],
        [
          "sparse",
          (tree) => {
            writeFileSync(join(tree, "etc/passwd"), "");
            truncateSync(join(tree, "etc/passwd"), 4 * 2 ** 30);
          },
        ],
        [
          "directory",
          (tree) => {
            mkdirSync(join(tree, "etc/passwd"));
          },
        ],
        ["line", (tree) => writeFileSync(join(tree, "etc/passwd"), `app:${"x".repeat(9 << 20)}\n`)],
        [
          "groups",
          (tree) => {
            writeFileSync(join(tree, "etc/passwd"), "app:x:5:5::/:/bin/sh\n");
            const lines = Array.from({ length: 400_000 }, (_, i) => `g${i}:x:${i}:app\n`);
            writeFileSync(join(tree, "etc/group"), lines.join(""));
          },
        ],
      ];
      for (const [what, fill] of cases) {
        await hostileImage(engine(), "account", async (tree) => {
          mkdirSync(join(tree, "etc"));
          await fill(tree);
        });
        const begin = performance.now();
        const done = await run("-u", "app", "account", "id", "-u");
        expect(performance.now() - begin, what).toBeLessThan(5000);
        expect(done.code, `${what}: ${done.stdout}`).toBeGreaterThan(124);
        expect(done.stderr, what).not.toContain(victim.secret);
        expect(await engine().ping(), what).toBe(true);
      }
      await engine().ok(["rmi", "-f", "account"]);
    },
    120_000 * SLOWNESS,
  );

  test(
    "capabilities: nothing inheritable, nothing ambient, in no mode, for run and exec",
    async () => {
      const modes = [
        [],
        ["-u", "1000"],
        ["--cap-add", "NET_ADMIN"],
        ["--cap-add", "ALL", "-u", "1000"],
        ["--cap-drop", "ALL"],
        ["--privileged"],
        ["--privileged", "-u", "1000"],
        ["--init"],
        ["--security-opt", "no-new-privileges"],
      ];
      const look = "grep -E 'Cap(Inh|Amb)' /proc/self/status | tr -d '\\t\\n'";
      const nothing = "CapInh:0000000000000000CapAmb:0000000000000000";
      for (const mode of modes) {
        const id = await engine().ok(["run", "-d", "--network", "none", ...mode, "busybox", "sleep", "1000"]);
        expect((await run(...mode, "busybox", "sh", "-c", look)).stdout, mode.join(" ")).toBe(nothing);
        for (const exec of [[], ["--privileged"], ["-u", "1000"]])
          expect(
            (await engine().gantry(["exec", ...exec, id, "sh", "-c", look])).stdout,
            [...mode, "exec", ...exec].join(" "),
          ).toBe(nothing);
        await engine().ok(["rm", "-f", id]);
      }
    },
    60_000 * SLOWNESS,
  );

  test("a program with inheritable file capabilities gives a user nothing", async () => {
    const volume = join(engine().dir, "caps");
    mkdirSync(volume);
    await must(["cp", "/bin/busybox", join(volume, "busybox")]);
    // cap_net_raw+ei: a process gains it when it has it in its own inheritable set.
    await must([
      await program("attacker"),
      "filecap",
      join(volume, "busybox"),
      "0100000200000000002000000000000000000000",
    ]);
    const look = "/v/busybox grep CapEff /proc/self/status";
    const done = await run("-u", "1000", "-v", `${volume}:/v`, "busybox", "sh", "-c", look);
    expect(done.stdout).toBe("CapEff:\t0000000000000000\n");
    // Twin: a permitted file capability works, as it does with Docker.
    await must([
      await program("attacker"),
      "filecap",
      join(volume, "busybox"),
      "0100000200200000000000000000000000000000",
    ]);
    expect((await run("-u", "1000", "-v", `${volume}:/v`, "busybox", "sh", "-c", look)).stdout).not.toBe(
      "CapEff:\t0000000000000000\n",
    );
  });

  test("a HOME with a line break is text, not a line of passwd", async () => {
    const home = "/x\nroot2::0:0::/:/bin/sh";
    const done = await run("-e", `HOME=${home}`, "busybox", "sh", "-c", 'echo "$HOME"; cat /etc/passwd');
    expect(done.stdout.startsWith(`${home}\n`)).toBe(true);
    expect(done.stdout.slice(home.length + 1)).not.toContain("root2");
  });
});
