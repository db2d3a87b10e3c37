/** `gantry-shim oci` as its caller sees it. Terminals, sockets with descriptors and systemd's are in oci_role_test.c. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "bun:test";
import {
  commandOf,
  exec,
  hook,
  hooksHere,
  isAlive,
  linksOf,
  missing,
  Place,
  type Result,
  processesWith,
  sh,
  startTicksOf,
  sync,
  until,
} from "./oci_harness.ts";

const FAILED = "unable to start container process: ";
const NOT_FOUND = 'exec: "nope": executable file not found in $PATH';

describe.if(missing === undefined)("run", () => {
  test("ends as its process does, with its streams, and leaves nothing", async () => {
    await using place = new Place();
    const plan = place.whole([sync(true), sh("cat; echo err >&2; exit 3")]);
    expect(await place.oci("run", plan, [], { input: "hello" })).toEqual({
      status: 3,
      signal: null,
      stdout: "hello",
      stderr: "err\n",
    });
    expect(existsSync(place.state)).toBeFalse();
    expect(existsSync(place.cgroup)).toBeFalse();
  });

  test("ends with 128 + n when a signal ended its process", async () => {
    await using place = new Place();
    const host = { ...place.plain(sh("kill -SEGV $$")), cloneFlags: 0, hostPid: true };
    expect((await place.oci("run", host)).status).toBe(139);
  });

  test("forwards signals", async () => {
    await using place = new Place();
    const script = `trap 'echo usr1 >${place.dir}/got; exit 7' USR1; echo ready >${place.dir}/ready; while :; do sleep 0.01; done`;
    const run = place.begin("run", place.plain(sh(script)), ["--state", place.state]);
    await until(() => existsSync(join(place.dir, "ready")));
    run.child.kill("SIGUSR1");
    expect((await run.done).status).toBe(7);
    expect(place.file("got")).toBe("usr1\n");
  });

  test("--keep leaves state directory and cgroup, --detach the process, too", async () => {
    await using place = new Place();
    expect((await place.oci("run", place.whole([exec("true")]), ["--keep"])).status).toBe(0);
    expect(readdirSync(place.state)).toEqual(["pid"]);
    expect(existsSync(place.cgroup)).toBeTrue();
    const args = ["--detach", "--pid-file", place.pidFile];
    expect((await place.oci("run", place.whole([exec("sleep", "100")]), args)).status).toBe(0);
    const pid = Number(place.file("pid"));
    expect(isAlive(pid)).toBeTrue();
    expect(JSON.parse(readFileSync(join(place.state, "pid"), "utf8"))).toEqual({
      pid,
      startTicks: startTicksOf(pid),
    });
  });

  test("kills what a process without a pid namespace left", async () => {
    await using place = new Place();
    const plan = { ...place.whole([sh("sleep 1000 & exit 0")]), cloneFlags: 0x20000, hostPid: true };
    expect((await place.oci("run", plan)).status).toBe(0);
    expect(existsSync(place.cgroup)).toBeFalse();
    await using other = new Place();
    const left = { ...other.whole([sh("sleep 1000 & exit 0")]), cloneFlags: 0x20000, hostPid: true };
    expect((await other.oci("run", left, ["--keep"])).stderr).toBe("");
    expect(other.inCgroup()).toHaveLength(1); // without which the above would prove nothing
  });

  test("of what cannot start says why and undoes everything", async () => {
    await using place = new Place();
    for (const lookup of [true, false]) {
      await using other = new Place();
      const result = await other.oci("run", other.whole([sync(lookup), exec("nope")]));
      expect(result).toMatchObject({
        status: 1,
        stdout: "",
        stderr: `gantry-runc: run failed: ${FAILED}${NOT_FOUND}\n`,
      });
      expect(existsSync(other.state)).toBeFalse();
      expect(existsSync(other.cgroup)).toBeFalse();
    }
    // Not even a plan.
    expect(await place.oci("run", { ...place.plain(), ops: [] })).toMatchObject({
      status: 1,
      stderr: `gantry-runc: run failed: ${FAILED}invalid plan: it has no EXEC\n`,
    });
    expect(existsSync(place.state)).toBeFalse();
  });

  test("leaves a state directory with a foreign file in it alone", async () => {
    await using place = new Place();
    writeFileSync(join(place.state, "foreign"), "");
    for (const name of ["notify", "rootfs"]) mkdirSync(join(place.state, name));
    for (const name of ["container.json", "start.sock", "notify/notify.sock"])
      writeFileSync(join(place.state, name), "{}");
    const result = await place.oci("run", place.plain(exec("true")));
    expect(result.status).toBe(0);
    expect(result.stderr).toContain('warning: cannot remove the state directory "c": directory not empty');
    expect(readdirSync(place.state)).toEqual(["foreign"]);
  });

  test("passes exactly the preserved descriptors on", async () => {
    await using place = new Place();
    const files = ["a", "b"].map((name) => join(place.dir, name));
    for (const file of files) writeFileSync(file, `${file}\n`);
    const result = await place.oci(
      "run",
      place.whole([sh("cat <&3; cat <&4; ls /proc/$$/fd; true")]),
      ["--preserve-fds", "2"],
      {
        preserved: files,
      },
    );
    expect(result.stdout.replace(/^10\n/m, "")).toBe(`${files[0]}\n${files[1]}\n0\n1\n2\n3\n4\n`);
    await using other = new Place();
    const plain = other.plain(exec("true"));
    expect((await other.oci("run", plain, ["--preserve-fds", "9"])).stderr).toContain(
      "the plan's descriptor 3 is among those to preserve",
    );
  });
});

describe.if(missing === undefined)("create and start", () => {
  test("leave nobody but init between them, and nothing to clean up", async () => {
    await using place = new Place();
    const pid = await place.create(place.whole([sync(true), sh("echo started; sleep 1000")]));
    expect(place.file("pid")).toBe(String(pid));
    expect(commandOf(pid)).toBe("gantry:created");
    expect(readdirSync(place.state).sort()).toEqual(["pid", "start.sock"]);
    expect(place.inCgroup()).toEqual([pid]);
    expect(place.file("out1")).toBe("");
    expect(await place.start(pid)).toMatchObject({ status: 0, stderr: "" });
    expect(readdirSync(place.state)).toEqual(["pid"]);
    await until(() => place.file("out1") === "started\n");
    await until(() => commandOf(pid) === "sleep");
  });

  test("hold no descriptor but those of the process while created", async () => {
    await using place = new Place();
    const pid = await place.create(place.whole([sync(), exec("sleep", "1000")]));
    // Three streams, the root, the listener, the page that start will read. The socket to create is closed a moment after
    // that has ended.
    await until(() => linksOf(pid).length <= 6);
    expect(linksOf(pid).filter((link) => link.startsWith("socket:"))).toHaveLength(1);
    expect(linksOf(pid).filter((link) => link.includes("memfd:"))).toHaveLength(1);
  });

  test("create of a program that is not there fails and undoes everything", async () => {
    await using place = new Place();
    const result = await place.oci("create", place.whole([sync(true), exec("nope")]), [
      "--pid-file",
      place.pidFile,
    ]);
    expect(result).toMatchObject({
      status: 1,
      stderr: `gantry-runc: create failed: ${FAILED}${NOT_FOUND}\n`,
    });
    for (const left of [place.state, place.cgroup, place.pidFile]) expect(existsSync(left)).toBeFalse();
  });

  test("create fails without a place for the pid file", async () => {
    await using place = new Place();
    const result = await place.oci("create", place.whole([sync(), exec("true")]), [
      "--pid-file",
      "/no/such/dir/pid",
    ]);
    expect(result.stderr).toContain('cannot open "/no/such/dir": no such file or directory');
    for (const left of [place.state, place.cgroup]) expect(existsSync(left)).toBeFalse();
  });

  test("start tells in init's own words that execve failed", async () => {
    await using place = new Place();
    const pid = await place.create(place.plain(sync(), exec("nope")));
    expect(await place.start(pid)).toMatchObject({
      status: 1,
      stderr: `gantry-runc: start failed: ${NOT_FOUND}\n`,
    });
    await until(() => !isAlive(pid));
    expect((await place.start(pid)).stderr).toContain("cannot start a container that has stopped");
  });

  test("of two starts one wins", async () => {
    for (let round = 0; round < 10; round++) {
      await using place = new Place();
      const pid = await place.create(place.plain(sync(), sh(`echo x >>${place.dir}/ran; sleep 1000`)));
      const results = await Promise.all([place.start(pid), place.start(pid), place.start(pid)]);
      const refused = results.filter(({ status }) => status === 1);
      expect(results.filter(({ status }) => status === 0)).toHaveLength(1);
      expect(refused.map(({ stderr }) => stderr)).toEqual(
        refused.map(() => "gantry-runc: start failed: cannot start an already running container\n"),
      );
      await until(() => existsSync(join(place.dir, "ran")) && place.file("ran") === "x\n");
    }
  });

  test("a start that is killed leaves a container that starts or runs", async () => {
    for (let round = 0; round < 20; round++) {
      await using place = new Place();
      const pid = await place.create(place.plain(sync(), exec("sleep", "1000")));
      const args = ["--state", place.state, "--join", String(pid)];
      const killed = place.begin("start", place.plain(exec("-")), args);
      await sleep(Math.random() * 3);
      killed.child.kill("SIGKILL");
      await killed.done;
      // Who begins to start and goes away is waited for, for a second at most.
      const next = await place.start(pid);
      const state = `${next.status} ${next.stderr}`;
      expect(["0 ", "1 gantry-runc: start failed: cannot start an already running container\n"]).toContain(
        state,
      );
      await until(() => commandOf(pid) === "sleep");
      expect(readdirSync(place.state)).toEqual(["pid"]);
    }
  }, 30_000);

  test("work with a state directory of any length", async () => {
    await using place = new Place();
    const deep = join(place.dir, "d".repeat(200), "e".repeat(200));
    Bun.spawnSync(["mkdir", "-p", deep]);
    const created = place.begin("create", place.plain(sync(), exec("true")), [
      "--state",
      deep,
      "--pid-file",
      place.pidFile,
    ]);
    expect((await created.done).status).toBe(0);
    const started = place.begin("start", undefined, ["--state", deep, "--join", place.file("pid")]);
    expect((await started.done).status).toBe(0);
  });
});

describe.if(missing === undefined)("create that is killed at any moment", () => {
  test("leaves state directory and cgroup, and no process", async () => {
    let created = 0;
    for (let round = 0; round < 40; round++) {
      await using place = new Place();
      const plan = place.whole([sync(), exec("sleep", "1000")], {
        before: [hook("runtime", `: hook-of-${place.cgroup}; sleep 0.002`)],
        mounted: [hooksHere("runtime"), hooksHere("container")],
      });
      const run = place.begin("create", plan, ["--state", place.state, "--pid-file", place.pidFile]);
      await sleep(Math.random() * 12);
      run.child.kill("SIGKILL");
      const { status } = await run.done;
      await until(() => processesWith(`hook-of-${place.cgroup}`).length === 0);
      const alive = place.inCgroup().filter(isAlive);
      if (existsSync(place.pidFile) && status === 0) created++;
      // Either it had let go, and the container is created, or init notices and ends by itself.
      if (status !== 0)
        await until(() =>
          place.inCgroup().every((pid) => !isAlive(pid) || commandOf(pid) === "gantry:created"),
        );
      for (const pid of alive.filter((one) => isAlive(one) && status === 0))
        expect(commandOf(pid)).toBe("gantry:created");
      const known = ["pid", "pid.new", "start.sock"];
      for (const name of readdirSync(place.state)) expect(known).toContain(name);
    }
    expect(created).toBeLessThan(40);
  }, 60_000);
});

describe.if(missing === undefined)("create that is killed while a hook runs", () => {
  for (const stage of ["runtime", "container"] as const)
    test(`takes the hook and init along: ${stage}`, async () => {
      await using place = new Place();
      const plan = place.whole([sync(), exec("sleep", "1000")], {
        before: [hook(stage, "echo $$ >pid-of-hook; exec sleep 1000")],
        mounted: [hooksHere(stage)],
      });
      const run = place.begin("create", plan, ["--state", place.state]);
      await until(() => existsSync(join(place.dir, "pid-of-hook")) && place.inCgroup().length > 0);
      const { pid }: { pid: number } = JSON.parse(readFileSync(join(place.state, "pid"), "utf8"));
      // As the host sees it; that of the container's stage is the other one in the cgroup.
      const theHook = (): number =>
        stage === "runtime" ? Number(place.file("pid-of-hook")) : (place.inCgroup()[1] ?? 0);
      await until(() => isAlive(theHook()));
      const hookPid = theHook();
      run.child.kill("SIGKILL");
      await run.done;
      await until(() => !isAlive(hookPid) && !isAlive(pid) && place.inCgroup().length === 0);
    });
});

describe.if(missing === undefined)("exec", () => {
  async function running(place: Place): Promise<number> {
    const args = ["--detach", "--pid-file", place.pidFile];
    expect((await place.oci("run", place.whole([exec("sleep", "1000")]), args)).status).toBe(0);
    return Number(place.file("pid"));
  }

  test("ends as its process does; detached when that has started", async () => {
    await using place = new Place();
    const join = ["--join", String(await running(place))];
    const fore = await place.oci("exec", place.joining(sh("cat; exit 4")), join, { input: "in" });
    expect(fore).toMatchObject({ status: 4, stdout: "in" });
    const pidFile = `${place.dir}/exec.pid`;
    const detached = await place.oci("exec", place.joining(exec("sleep", "1000")), [
      ...join,
      "--detach",
      "--pid-file",
      pidFile,
    ]);
    expect(detached.status).toBe(0);
    expect(commandOf(Number(place.file("exec.pid")))).toBe("sleep");
  });

  test("fails with 255, as runc does", async () => {
    await using place = new Place();
    const pid = await running(place);
    const join = ["--join", String(pid)];
    for (const args of [join, [...join, "--detach"]])
      expect(await place.oci("exec", place.joining(exec("nope")), args)).toMatchObject({
        status: 255,
        stderr: `gantry-runc: exec failed: ${FAILED}${NOT_FOUND}\n`,
      });
    const ticks = startTicksOf(pid) ?? 0;
    const exact = (n: number): string[] => [...join, "--start-ticks", String(n)];
    expect((await place.oci("exec", place.joining(exec("true")), exact(ticks))).status).toBe(0);
    expect(await place.oci("exec", place.joining(exec("true")), exact(ticks + 1))).toMatchObject({
      status: 255,
      stderr: `gantry-runc: exec failed: ${FAILED}the container has stopped\n`,
    });
  });

  test("preserves descriptors", async () => {
    await using place = new Place();
    const pid = await running(place);
    const file = join(place.dir, "kept");
    writeFileSync(file, "kept");
    const args = ["--join", String(pid), "--preserve-fds", "1"];
    const done = await place.oci("exec", place.joining(sh("cat <&3; ls /proc/$$/fd | wc -l")), args, {
      preserved: [file],
    });
    expect(done.stdout).toMatch(/^kept[45]\n$/);
  });
});

describe.if(missing === undefined)("hooks", () => {
  const stages = ["runtime", "container", "start", "poststart", "poststop"] as const;

  test("run in their order, in their places, with their documents", async () => {
    await using place = new Place();
    const log = `${place.dir}/log`;
    const say = (stage: (typeof stages)[number], to = log): ReturnType<typeof hook> =>
      hook(stage, `echo "$0 $MARK $(readlink /proc/self/ns/pid) $(cat)" >>${to}`);
    writeFileSync(join(place.dir, "log"), "");
    const plan = place.whole([sync(), hooksHere("start"), exec("cat", "/log")], {
      before: [
        say("poststop"),
        say("poststart"),
        say("start", "/log"),
        say("container"),
        say("runtime"),
        say("runtime"),
      ],
      mounted: [hooksHere("runtime"), hooksHere("container")],
    });
    const done = await place.oci("run", plan, ["--pid-file", place.pidFile]);
    expect(done).toMatchObject({ status: 0, stderr: "" });
    const own = Bun.spawnSync(["readlink", "/proc/self/ns/pid"]).stdout.toString().trim();
    const lines = `${place.file("log")}${done.stdout}`.trim().split("\n");
    const seen = lines.map((line) => {
      const [name, mark, ns, ...json] = line.split(" ");
      const state: { status: string; pid: number } = JSON.parse(json.join(" "));
      return { name, mark, host: ns === own, ...state };
    });
    const pid = Number(place.file("pid"));
    const common = { name: "hook", mark: "given", id: "x", bundle: "/b" };
    expect(seen).toEqual([
      { ...common, host: true, status: "runtime", pid },
      { ...common, host: true, status: "runtime", pid },
      { ...common, host: false, status: "container", pid: 1 },
      { ...common, host: true, status: "poststart", pid },
      { ...common, host: true, status: "poststop", pid: 0 },
      { ...common, host: false, status: "start", pid: 1 },
    ]);
  });

  test("get a clean process in the bundle", async () => {
    await using place = new Place();
    const script = `cat >/dev/null; { env; pwd; umask; ls /proc/self/fd | wc -l; grep -E '^Sig(Blk|Ign)' /proc/self/status; } >${place.dir}/seen`;
    for (const stage of ["runtime", "container"] as const) {
      await using other = new Place();
      const plan = other.whole([exec("true")], {
        before: [
          {
            ...hook(stage, ""),
            kind: "hook",
            path: "/bin/sh",
            argv: ["sh", "-c", script],
            env: ["ONLY=this"],
          },
        ],
        mounted: [hooksHere(stage)],
      });
      const done = await other.oci("run", plan, [], { cwd: place.dir });
      expect(done).toMatchObject({ status: 0, stderr: "" });
      const seen = place.file("seen");
      expect(seen.split("\n").filter((line) => line.includes("="))).toEqual(
        expect.arrayContaining(["ONLY=this", `PWD=${place.dir}`]),
      );
      expect(seen).not.toContain("HOME=");
      expect(seen).toMatch(new RegExp(`^${place.dir}$`, "m"));
      expect(seen).toContain("0022\n4\n");
      expect(seen).toContain("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    }
  });

  for (const stage of ["runtime", "container", "start"] as const)
    test(`that fail undo the start: ${stage}`, async () => {
      await using place = new Place();
      const broken = { ...hook(stage, "true"), path: "/no/hook" };
      const cases = [
        [
          hook(stage, "echo so; echo bad >&2; exit 3"),
          "error running hook #1: exit status 3, stdout: so, stderr: bad",
        ],
        [hook(stage, "kill -TERM $$; sleep 5"), "error running hook #1: signal: TERM, stdout: , stderr: "],
        [
          hook(stage, "echo slow; sleep 1000", { timeoutS: 1 }),
          "error running hook #1: not done after 1 s, stdout: slow, stderr: ",
        ],
        [broken, 'error running hook #1: cannot execute "/no/hook": no such file or directory'],
      ] as const;
      for (const [bad, text] of cases) {
        await using other = new Place();
        const plan = other.whole([sync(), ...(stage === "start" ? [hooksHere(stage)] : []), exec("true")], {
          before: [hook(stage, "true"), bad],
          mounted: stage === "start" ? [] : [hooksHere(stage)],
        });
        const begun = performance.now();
        expect(await other.oci("run", plan)).toMatchObject({
          status: 1,
          stderr: `gantry-runc: run failed: ${FAILED}${text}\n`,
        });
        expect(performance.now() - begun).toBeLessThan(4000);
        for (const left of [other.state, other.cgroup]) expect(existsSync(left)).toBeFalse();
      }
      expect(existsSync(place.state)).toBeTrue();
    }, 30_000);

  test("that a time-out ended are gone with all they began", async () => {
    await using place = new Place();
    const mark = `sleep 98${process.pid}`;
    const plan = place.plain(
      hook("runtime", `${mark} & ${mark}`, { timeoutS: 1 }),
      hooksHere("runtime"),
      exec("true"),
    );
    expect((await place.oci("run", plan)).stderr).toContain("not done after 1 s");
    await until(() => processesWith(`98${process.pid}`).length === 0);
  });

  test("get a document of any size whole", async () => {
    await using place = new Place();
    const big = { ...hook("runtime", "{ sleep 0.05; cat; } >document"), stateTail: "x".repeat(900_000) };
    expect((await place.oci("run", place.plain(big, hooksHere("runtime"), exec("true")))).status).toBe(0);
    expect(place.file("document")).toMatch(/^\{"id":"x","status":"runtime","pid":\d+x{900000}$/);
  });

  test("need not read and may leave somebody behind who holds their output", async () => {
    await using place = new Place();
    const big = { ...hook("runtime", "sleep 3 & exec <&-; exit 0"), stateTail: "x".repeat(900_000) };
    const begun = performance.now();
    expect((await place.oci("run", place.plain(big, hooksHere("runtime"), exec("true")))).status).toBe(0);
    expect(performance.now() - begun).toBeLessThan(2500);
  });

  test("of poststart and poststop only warn", async () => {
    await using place = new Place();
    const plan = place.plain(hook("poststart", "exit 1"), hook("poststop", "exit 2"), sh("exit 5"));
    const done = await place.oci("run", plan);
    expect(done.status).toBe(5);
    expect(done.stderr).toBe(
      "gantry-runc: warning: error running hook #0: exit status 1, stdout: , stderr: \n" +
        "gantry-runc: warning: error running hook #0: exit status 2, stdout: , stderr: \n",
    );
  });

  test("alone are a plan for start, not for run", async () => {
    await using place = new Place();
    const pid = await place.create(place.plain(sync(), exec("sleep", "1000")));
    const late = place.plain(hook("poststart", "echo >>late"));
    expect((await place.oci("start", late, ["--join", String(pid)])).status).toBe(0);
    expect(place.file("late")).toBe("\n");
    await using other = new Place();
    expect((await other.oci("run", late)).stderr).toEndWith("the plan ended without EXEC\n");
    expect(existsSync(other.state)).toBeFalse();
  });

  test("of poststart are run by start", async () => {
    await using place = new Place();
    const pid = await place.create(place.plain(sync(), exec("sleep", "1000")));
    expect((await place.start(pid, hook("poststart", `cat >${place.dir}/late`))).status).toBe(0);
    expect(JSON.parse(place.file("late"))).toMatchObject({ status: "poststart", pid });
  });
});

describe.if(missing === undefined)("errors in the log", () => {
  const NAME = 'a"b\\c\nd\u0001é';

  test("are one line each of what logrus writes", async () => {
    await using place = new Place();
    const log = `${place.dir}/log`;
    for (const format of [[], ["--log-format", "text"], ["--log-format", "json"]]) {
      await using other = new Place();
      await other.oci("run", other.plain(exec(NAME)), ["--log", log, ...format]);
    }
    const [first, second, third, rest] = place.file("log").split("\n");
    const text = /^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=error msg="(.*)"$/;
    const message = `run failed: ${FAILED}exec: "${NAME}": executable file not found in $PATH`;
    for (const line of [first, second]) expect(JSON.parse(`"${text.exec(line ?? "")?.[1]}"`)).toBe(message);
    expect(JSON.parse(third ?? "")).toEqual({
      level: "error",
      msg: message,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    });
    expect(rest).toBe("");
  });
});

describe.if(missing === undefined)("restore", () => {
  /** A shell stands in for criu: what it does decides what becomes of the container. */
  async function restoreBy(place: Place, script: string, ...more: string[]): Promise<Result> {
    mkdirSync(join(place.state, "rootfs"));
    const { ops, ...plan } = place.plain(sh(script));
    const joined = { kind: "cgroup-join", dir: place.cgroup, version: place.cgroupVersion } as const;
    const words = ["--rootfs", place.rootfs, "--criu-log", join(place.dir, "criu.log"), ...more];
    return await place.oci(
      "restore",
      {
        ...plan,
        cloneFlags: 0,
        hostPid: true,
        ops: [{ kind: "cgroup-create", dir: place.cgroup }, joined, ...ops],
      },
      words,
    );
  }

  test("a criu that fails is explained by the end of its log, and nothing is left", async () => {
    await using place = new Place();
    const lines = [1, 2, 3, 4].map((n) => `echo "(00.1) Error (criu/x.c:${n}): no ${n}"`).join(";");
    const done = await restoreBy(place, `sleep 1000 & (${lines}; echo fine) >criu.log; exit 3`);
    expect(done.stderr).toBe(
      "gantry-runc: restore failed: criu failed with exit status 3: " +
        "Error (criu/x.c:2): no 2; Error (criu/x.c:3): no 3; Error (criu/x.c:4): no 4\n",
    );
    expect(done.status).toBe(1);
    expect(existsSync(place.state)).toBe(false);
    expect(existsSync(place.cgroup)).toBe(false);
  });

  test.each([
    "true",
    "echo 1 >state/c/restored",
    "echo $$ >state/c/restored",
    "echo x >state/c/restored",
    "echo 999999999999 >state/c/restored",
  ])("a criu that names no child of ours has not restored: %s", async (script) => {
    await using place = new Place();
    const done = await restoreBy(place, script);
    expect(done.stderr).toBe("gantry-runc: restore failed: criu has not said which process it restored\n");
    expect(existsSync(place.state)).toBe(false);
  });

  test("criu finds the root mounted, and namespaces from descriptor 3 up", async () => {
    await using place = new Place();
    const own = "/proc/self/ns/net";
    const script = "ls state/c/rootfs; readlink /proc/self/fd/3 /proc/self/fd/4; exit 1";
    const done = await restoreBy(place, script, "--network", own, "--pids", "/proc/self/ns/pid");
    expect(done.stdout).toMatch(/^bin\ndev\nproc\nsys\ntmp\nnet:\[\d+\]\npid:\[\d+\]\n$/);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(place.dir);
  });

  test("a namespace that is not there is named, and nothing is left", async () => {
    await using place = new Place();
    const done = await restoreBy(place, "true", "--network", "/nowhere");
    expect(done.stderr).toBe(
      'gantry-runc: restore failed: cannot open the namespace "/nowhere": no such file or directory\n',
    );
    expect(existsSync(place.state)).toBe(false);
  });
});

describe("the command line", () => {
  const wrong: readonly (readonly [string, string, string])[] = [
    ["", "", "usage: gantry-shim oci create|run|start|exec|restore OPTION..."],
    ["stop", "", "usage: gantry-shim oci create|run|start|exec|restore OPTION..."],
    ["run", "--state /x", "run needs --plan-fd"],
    ["run", "--plan-fd 3", "run needs --state"],
    ["run", "--plan-fd 2 --state /x", 'invalid value "2" for --plan-fd'],
    ["run", "--plan-fd 3x --state /x", 'invalid value "3x" for --plan-fd'],
    ["run", "--plan-fd +3 --state /x", 'invalid value "+3" for --plan-fd'],
    ["run", "--plan-fd -3 --state /x", 'invalid value "-3" for --plan-fd'],
    ["run", "--plan-fd 3 --plan-fd 3 --state /x", "--plan-fd is given twice"],
    ["run", "--plan-fd 3 --state", "--state needs a value"],
    ["run", "--plan-fd 3 --state /x --join 1", "run does not take --join"],
    ["run", "--plan-fd 3 --state /x --notify-dir /x", "--notify-socket and --notify-dir go together"],
    ["run", "--plan-fd 3 --state /x --preserve-fds 1", "the plan's descriptor 3 is among those to preserve"],
    ["run", "--plan-fd 4 --state /x --preserve-fds 65537", 'invalid value "65537" for --preserve-fds'],
    ["create", "--plan-fd 3 --state /x --detach", "create does not take --detach"],
    ["create", "--plan-fd 3 --state /x --log-format xml", 'invalid log format "xml"'],
    ["start", "--state /x", "start needs --join"],
    ["start", "--state /x --join 0", 'invalid value "0" for --join'],
    ["exec", "--plan-fd 3 --join 1 --state /x", "exec does not take --state"],
    ["exec", "--plan-fd 3 --join 1 more", 'unknown argument "more"'],
    ["restore", "--plan-fd 3 --state /x --rootfs /r", "restore needs --criu-log"],
    ["restore", "--plan-fd 3 --state /x --criu-log /l", "restore needs --rootfs"],
    ["restore", "--state /x --rootfs /r --criu-log /l", "restore needs --plan-fd"],
    ["restore", "--plan-fd 3 --preserve-fds 1", "restore does not take --preserve-fds"],
    ["run", "--plan-fd 3 --state /x --rootfs /r", "run does not take --rootfs"],
  ];
  test.each(wrong)("%s %s: %s", async (verb, args, text) => {
    await using place = new Place();
    const words = args.split(" ").filter(Boolean);
    const done = await place.begin(verb, undefined, words).done;
    expect(done.stderr.trim()).toEndWith(text);
    expect(done.status).toBe(verb === "exec" ? 255 : 1);
  });
});
