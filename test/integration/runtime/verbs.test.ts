/** gantry-runc's verbs on real containers, alone and with a resident compiler; after each test nothing may be left. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../support/run.ts";
import { describeWith } from "../../support/requires.ts";
import { Runtime } from "../../support/runtime.ts";
import { SLOWNESS, until } from "../../support/until.ts";

for (const isResident of [false, true])
  describeWith(isResident ? "gantry-runc, resident" : "gantry-runc", ["root", "busybox", "native"], () => {
    const runtime = new Runtime();
    const sleeper = (more: object = {}) => runtime.bundle({ args: ["sleep", "1000"], more });

    beforeAll(async () => {
      runtime.open();
      if (isResident) await runtime.serve();
    });
    afterEach(async () => {
      await until(
        `nothing to be left: ${runtime.remains().join(", ")}`,
        () => runtime.remains().length === 0,
        3000,
      );
    });
    afterAll(async () => {
      if (isResident) expect(await runtime.endServing()).toBe(0);
      runtime.close();
    });

    test("run: output, exit status, nothing left", async () => {
      const bundle = runtime.bundle({ args: ["sh", "-c", "echo out; echo err >&2; exit 7"] });
      expect(await runtime.call(["run", "-b", bundle, "a"])).toEqual({
        code: 7,
        stdout: "out\n",
        stderr: "err\n",
      });
    });

    test("run: killed by a signal is 128+n", async () => {
      const bundle = runtime.bundle({
        args: ["sh", "-c", "kill -9 $$"],
        linux: { namespaces: [{ type: "mount" }] },
      });
      expect((await runtime.call(["run", "-b", bundle, "a"])).code).toBe(137);
    });

    test("create, start, delete; state and list tell how it goes", async () => {
      const pidFile = join(runtime.directory, "pid");
      const bundle = runtime.bundle({ args: ["sleep", "1000"], more: { annotations: { a: "b" } } });
      expect(await runtime.start("create", "-b", bundle, "--pid-file", pidFile, "c1")).toBe(0);
      const pid = Number(readFileSync(pidFile, "utf8"));
      expect(await runtime.state("c1")).toMatchObject({
        ociVersion: "1.2.0",
        id: "c1",
        pid,
        status: "created",
        bundle,
        rootfs: join(bundle, "rootfs"),
        annotations: { a: "b" },
        owner: "root",
      });
      expect(readFileSync(`/proc/${pid}/comm`, "utf8")).toBe("gantry:created\n");
      expect(await runtime.start("start", "c1")).toBe(0);
      expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).toBe("sleep\x001000\x00");
      expect(await runtime.state("c1")).toMatchObject({ status: "running", pid });
      expect(await runtime.ok("list", "-q")).toBe("c1\n");
      expect(JSON.parse(await runtime.ok("list", "-f", "json"))).toMatchObject([
        { id: "c1", status: "running" },
      ]);
      expect(await runtime.call(["start", "c1"])).toMatchObject({
        code: 1,
        stderr: "gantry-runc: cannot start an already running container\n",
      });
      expect(await runtime.call(["delete", "c1"])).toMatchObject({
        code: 1,
        stderr: "gantry-runc: cannot delete container c1 that is not stopped: running\n",
      });
      await runtime.ok("kill", "c1", "KILL");
      await until("it to stop", async () => (await runtime.state("c1"))["status"] === "stopped");
      expect(await runtime.state("c1")).toMatchObject({ pid: 0 });
      expect((await runtime.call(["kill", "c1"])).stderr).toContain("container not running");
      await runtime.ok("kill", "--all", "c1");
      await runtime.ok("delete", "c1");
      expect((await runtime.call(["state", "c1"])).stderr).toBe("gantry-runc: container does not exist\n");
    });

    test("a created container may be deleted as it is", async () => {
      expect(await runtime.start("create", "-b", sleeper(), "c2")).toBe(0);
      await runtime.ok("delete", "c2");
    });

    test("delete --force ends whatever runs, a paused one, too, and a missing one is fine", async () => {
      expect(await runtime.start("run", "-d", "-b", sleeper(), "c3")).toBe(0);
      await runtime.ok("pause", "c3");
      expect(await runtime.state("c3")).toMatchObject({ status: "paused" });
      await runtime.ok("delete", "--force", "c3");
      await runtime.ok("delete", "--force", "c3");
      expect((await runtime.call(["delete", "c3"])).code).toBe(1);
    });

    test("an id is taken once", async () => {
      expect(await runtime.start("run", "-d", "-b", sleeper(), "c4")).toBe(0);
      const again = await runtime.call(["run", "-b", runtime.bundle({ args: ["true"] }), "c4"]);
      expect(again).toMatchObject({
        code: 1,
        stderr: "gantry-runc: run failed: container with given ID already exists\n",
      });
      await runtime.ok("delete", "-f", "c4");
    });

    test("of ten that want an id at once one gets it", async () => {
      const bundles = Array.from({ length: 10 }, sleeper);
      const codes = await Promise.all(
        bundles.map((bundle) => runtime.start("run", "-d", "-b", bundle, "c5")),
      );
      expect(codes.toSorted((a, b) => a - b)).toEqual([0, ...Array<number>(9).fill(1)]);
      await Promise.all(Array.from({ length: 5 }, () => runtime.start("delete", "-f", "c5")));
    });

    test("exec: environment, user, directory, status; what is refused", async () => {
      expect(await runtime.start("run", "-d", "-b", sleeper(), "c6")).toBe(0);
      const script = 'id; pwd; echo "$A"; exit 9';
      const done = await runtime.call([
        "exec",
        "-u",
        "1000:5",
        "-g",
        "7",
        "--cwd",
        "/bin",
        "-e",
        "A=b",
        "c6",
        "busybox",
        "sh",
        "-c",
        script,
      ]);
      expect(done).toEqual({ code: 9, stdout: "uid=1000 gid=5 groups=5,7\n/bin\nb\n", stderr: "" });
      const file = join(runtime.directory, "process.json");
      writeFileSync(
        file,
        JSON.stringify({ user: { uid: 0, gid: 0 }, args: ["/bin/busybox", "echo", "x"], cwd: "/" }),
      );
      expect(await runtime.ok("exec", "--process", file, "c6")).toBe("x\n");
      expect(await runtime.call(["exec", "c6", "/nope"])).toMatchObject({ code: 255 });
      expect((await runtime.call(["exec", "-u", "root", "c6", "true"])).stderr).toContain(
        'parsing "root" as int for uid failed',
      );
      await runtime.ok("pause", "c6");
      expect((await runtime.call(["exec", "c6", "true"])).stderr).toContain(
        "cannot exec in a paused container",
      );
      await runtime.ok("resume", "c6");
      expect((await runtime.call(["resume", "c6"])).stderr).toContain("container not paused");
      await runtime.ok("kill", "c6", "9");
      await until("it to stop", async () => (await runtime.state("c6"))["status"] === "stopped");
      expect((await runtime.call(["exec", "c6", "true"])).stderr).toContain(
        "cannot exec in a stopped container",
      );
      await runtime.ok("delete", "c6");
    });

    test("ps, update and events see the same container", async () => {
      expect(await runtime.start("run", "-d", "-b", sleeper(), "c7")).toBe(0);
      const { pid } = await runtime.state("c7");
      expect(await runtime.ok("ps", "-f", "json", "c7")).toBe(`[${String(pid)}]\n`);
      expect(await runtime.ok("ps", "c7")).toMatch(
        new RegExp(`^UID .*CMD\\nroot +${String(pid)} .* sleep 1000\\n$`),
      );
      expect(await runtime.ok("ps", "c7", "-o", "pid,comm")).toMatch(
        new RegExp(`PID COMMAND\\n *${String(pid)} sleep\\n$`),
      );
      await runtime.ok("update", "--memory", "64m", "--pids-limit", "11", "c7");
      const stats: unknown = JSON.parse(await runtime.ok("events", "--stats", "c7"));
      expect(stats).toMatchObject({
        type: "stats",
        id: "c7",
        data: { memory: { usage: { limit: 64 << 20 } }, pids: { current: 1, limit: 11 } },
      });
      await runtime.ok("delete", "-f", "c7");
    });

    test("kill reaches the program by name and number", async () => {
      const bundle = runtime.bundle({
        args: ["sh", "-c", "trap 'exit 3' USR1; trap 'exit 4' TERM; : >/ready; while :; do sleep 0.05; done"],
      });
      const ready = join(bundle, "rootfs/ready");
      for (const [signal, code] of [
        ["SIGUSR1", 3],
        ["", 4],
      ] as const) {
        const { promise, resolve } = Promise.withResolvers<number | null>();
        runtime.spawn(["run", "-b", bundle, "c8"]).on("exit", resolve);
        // What the first process of a pid namespace has no handler for it never gets.
        await until("it to run", () => existsSync(ready));
        await runtime.ok("kill", "c8", ...(signal === "" ? [] : [signal]));
        expect(await promise).toBe(code);
        rmSync(ready);
      }
    });

    test("hooks of start and end are run and told the state", async () => {
      const seen = (name: string): string => join(runtime.directory, name);
      const hook = (name: string) => [{ path: "/bin/sh", args: ["sh", "-c", `cat > ${seen(name)}`] }];
      const bundle = sleeper({ hooks: { poststart: hook("poststart"), poststop: hook("poststop") } });
      expect(await runtime.start("create", "-b", bundle, "c9")).toBe(0);
      expect(existsSync(seen("poststart"))).toBe(false);
      const { pid } = await runtime.state("c9");
      expect(await runtime.start("start", "c9")).toBe(0);
      expect(JSON.parse(readFileSync(seen("poststart"), "utf8"))).toMatchObject({
        id: "c9",
        status: "running",
        pid,
      });
      await runtime.ok("delete", "-f", "c9");
      expect(JSON.parse(readFileSync(seen("poststop"), "utf8"))).toMatchObject({
        id: "c9",
        status: "stopped",
      });
    });

    test("descriptors that are handed on arrive; ones that are not open are refused", async () => {
      const bundle = runtime.bundle({ args: ["sh", "-c", "echo $LISTEN_FDS $LISTEN_PID; cat <&3; cat <&4"] });
      const files = ["three", "four"].map((text) => {
        writeFileSync(join(runtime.directory, text), `${text}\n`);
        return join(runtime.directory, text);
      });
      const command = 'exec "$0" --root "$1" run -b "$2" --preserve-fds 1 c10 3<"$3" 4<"$4"';
      const done = await run(["sh", "-c", command, runtime.program, runtime.root, bundle, ...files], {
        env: { ...runtime.environment, LISTEN_FDS: "1" },
      });
      expect(done).toEqual({ code: 0, stdout: "1 1\nthree\nfour\n", stderr: "" });
      const refused = await runtime.call(["run", "-b", bundle, "--preserve-fds", "1", "c10"]);
      expect(refused).toMatchObject({ code: 1 });
      expect(refused.stderr).toContain("descriptor 3 is not open");
    });

    test("the soft limit of open files is the caller's", async () => {
      const bundle = runtime.bundle({ args: ["sh", "-c", "ulimit -Sn"] });
      const command = 'ulimit -Sn 321; exec "$0" --root "$1" run -b "$2" c11';
      const done = await run(["sh", "-c", command, runtime.program, runtime.root, bundle], {
        env: runtime.environment,
      });
      expect(done).toEqual({ code: 0, stdout: "321\n", stderr: "" });
    });

    test("spec writes a bundle's configuration once", async () => {
      const directory = join(runtime.directory, "fresh");
      mkdirSync(directory);
      await runtime.ok("spec", "-b", directory);
      expect(JSON.parse(readFileSync(join(directory, "config.json"), "utf8"))).toMatchObject({
        process: { args: ["sh"] },
      });
      expect(await runtime.ok("plan", "-b", directory)).toContain("init exec");
      expect((await runtime.call(["spec", "-b", directory])).stderr).toContain("File config.json exists");
    });

    test("--log gets one line as callers read it", async () => {
      for (const format of ["json", "text"]) {
        const log = join(runtime.directory, `log.${format}`);
        await runtime.call(["--log", log, "--log-format", format, "state", "nope"]);
        const text = readFileSync(log, "utf8");
        if (format === "json")
          expect(JSON.parse(text)).toMatchObject({ level: "error", msg: "container does not exist" });
        else expect(text).toMatch(/^time="[^"]+Z" level=error msg="container does not exist"\n$/);
        rmSync(log);
      }
    });

    test.each<[string, readonly string[], number, string]>([
      ["an unknown verb", ["fly"], 3, 'no such command: "fly"'],
      ["an unknown flag", ["state", "--fly", "x"], 1, "flag provided but not defined: -fly"],
      ["no id", ["state"], 1, '"state" requires exactly 1 argument'],
      ["two ids", ["state", "a", "b"], 1, '"state" requires exactly 1 argument'],
      ["a path as id", ["state", "../x"], 1, "invalid container ID format"],
      ["a missing bundle", ["run", "-b", "/nonexistent", "x"], 1, 'bundle "/nonexistent"'],
      ["a bundle without config.json", ["run", "-b", "/usr", "x"], 1, "config.json not found"],
      [
        "a socket without a terminal",
        ["create", "--console-socket", "/x", "-b", "BUNDLE", "x"],
        1,
        "cannot use console socket",
      ],
      ["no-pivot", ["run", "--no-pivot", "-b", "BUNDLE", "x"], 1, "--no-pivot is not supported"],
      ["rootless", ["--rootless=true", "run", "-b", "BUNDLE", "x"], 1, "--rootless=true is not supported"],
      ["a bad log format", ["--log-format", "xml", "list"], 1, "invalid log-format: xml"],
      ["a bad signal", ["kill", "x", "FLY"], 1, 'unknown signal "FLY"'],
      ["exec in nothing", ["exec", "x", "true"], 255, "exec failed: container does not exist"],
      ["a table nobody knows", ["list", "-f", "yaml"], 1, "invalid format option: yaml"],
      ["a checkpoint of nothing", ["checkpoint", "x"], 1, "checkpoint failed: container does not exist"],
    ])("refuses %s in one line", async (_, words, code, message) => {
      const bundle = sleeper();
      const done = await runtime.call(words.map((word) => (word === "BUNDLE" ? bundle : word)));
      expect(done).toMatchObject({ code, stdout: "" });
      expect(done.stderr).toContain(message);
      expect(done.stderr.trimEnd().split("\n")).toHaveLength(1);
    });

    test("a program that is not there fails create, and nothing is left", async () => {
      const done = await runtime.call(["create", "-b", runtime.bundle({ args: ["/nope"] }), "x"]);
      expect(done).toMatchObject({ code: 1 });
      expect(done.stderr).toContain("/nope");
    });

    test("without a PATH no program is found by its name, which create says, too", async () => {
      const process = { args: ["sh", "-c", "true"], cwd: "/", user: { uid: 0, gid: 0 } };
      const bundle = runtime.bundle({ args: [], more: { process } });
      expect(await runtime.call(["create", "-b", bundle, "x"])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('exec: "sh": executable file not found in $PATH'),
      });
    });

    test(
      "killed at any moment, delete --force clears all of it",
      async () => {
        for (let round = 0; round < 25; round++) {
          const child = runtime.spawn(["run", "-b", sleeper(), "k"]);
          const gone = new Promise((resolve) => child.on("exit", resolve));
          await new Promise((resolve) => setTimeout(resolve, round * 2));
          child.kill("SIGKILL");
          await gone;
          await runtime.ok("delete", "--force", "k");
          await until(`round ${round}: ${runtime.remains().join(", ")}`, () =>
            runtime.remains().every((each) => each.startsWith("state directory ~")),
          );
        }
        // The last traces go with the next create: a directory that had no name yet.
        expect(await runtime.start("run", "-b", runtime.bundle({ args: ["true"] }), "k")).toBe(0);
      },
      60_000 * SLOWNESS,
    );
  });
