/** `gantry-runc serve`: whom it works for, and that nobody notices when it goes. verbs.test.ts runs with it, too. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeWith } from "../../support/requires.ts";
import { run } from "../../support/run.ts";
import { Runtime } from "../../support/runtime.ts";
import { SLOWNESS, until } from "../../support/until.ts";

const BUILD = join(import.meta.dirname, "..", "..", "..", "build");

describeWith("gantry-runc serve", ["root", "busybox", "native"], () => {
  let runtime: Runtime;
  let resident: number;
  const answered = () => runtime.residentLog.match(/msg="\d+: (exit \d+|goes on)/g)?.length ?? 0;
  const bundle = (args: readonly string[], linux: object = {}) => runtime.bundle({ args, linux });

  beforeEach(async () => {
    runtime = new Runtime();
    runtime.open();
    resident = await runtime.serve();
  });
  afterEach(async () => {
    await runtime.endServing();
    await until(
      `nothing to be left: ${runtime.remains().join(", ")}`,
      () => runtime.remains().length === 0,
      3000,
    );
    runtime.close();
  });

  test("answers its own verbs, and none of the others", async () => {
    expect(await runtime.start("run", "-d", "-b", bundle(["sleep", "1000"]), "a")).toBe(0);
    for (const words of [
      ["state", "a"],
      ["exec", "a", "true"],
      ["pause", "a"],
      ["resume", "a"],
      ["kill", "a", "USR1"],
      ["delete", "--force", "a"],
    ])
      await runtime.ok(...words);
    await until("all to be logged", () => answered() === 7);
    for (const words of [["list"], ["features"], ["--systemd-cgroup", "state", "a"]])
      await runtime.call(words);
    await until(
      "the others to be logged",
      () => runtime.residentLog.match(/needs its own process/g)?.length === 3,
    );
    expect(answered()).toBe(7);
  });

  test("does not work for somebody in another place or with other rights", async () => {
    const prefixes = [
      ["unshare", "-m"],
      ["unshare", "-n"],
      ["unshare", "-C"],
      ["setpriv", "--bounding-set", "-sys_time"],
      ["setpriv", "--no-new-privs"],
    ];
    for (const prefix of prefixes) {
      const done = await run([...prefix, runtime.program, "--root", runtime.root, "state", "x"], {
        env: runtime.environment,
      });
      expect(done).toEqual({ code: 1, stdout: "", stderr: "gantry-runc: container does not exist\n" });
    }
    await until(
      "the refusals",
      () => runtime.residentLog.match(/not to be served/g)?.length === prefixes.length,
    );
    expect(answered()).toBe(0);
  });

  test("does not work for another user", async () => {
    const open = mkdtempSync(join(tmpdir(), "gantry-resident-"));
    chmodSync(open, 0o755);
    await runtime.endServing();
    const socket = join(open, "s");
    await runtime.serve(socket);
    chmodSync(socket, 0o777);
    const script = `
      process.setgid(65534); process.setuid(65534);
      const socket = require("node:net").connect(${JSON.stringify(socket)});
      socket.write(Buffer.from([0x67, 0x72, 0x63, 0x31, 3, 0, 0, 0]));
      socket.on("data", (bytes) => { console.log(bytes.subarray(4).toString("hex")); socket.end(); });`;
    const done = await run([process.execPath, "-e", script]);
    // An answer without writes whose end is "yourself".
    expect(done).toMatchObject({ code: 0, stdout: "0200000000000000030000000000000000000000\n" });
    await runtime.endServing();
    rmSync(open, { recursive: true });
  });

  test("does not work for another build, and for nobody when its own is replaced", async () => {
    const other = join(runtime.directory, "other");
    mkdirSync(other);
    for (const name of ["gantryd", "gantry-runc", "gantry-shim", "gantry.node"])
      copyFileSync(join(BUILD, name), join(other, name));
    const ask = () =>
      run([join(other, "gantry-runc"), "--root", runtime.root, "state", "x"], { env: runtime.environment });
    expect((await ask()).stderr).toBe("gantry-runc: container does not exist\n");
    await until("the refusal", () => runtime.residentLog.includes("not to be served"));

    await runtime.endServing();
    await runtime.serve(join(runtime.directory, "other.sock"), join(other, "gantry-runc"));
    expect((await ask()).code).toBe(1);
    await until("the answer", () => answered() === 1);
    copyFileSync(join(BUILD, "gantry-shim"), join(other, "new"));
    renameSync(join(other, "new"), join(other, "gantry-shim"));
    expect((await ask()).stderr).toBe("gantry-runc: container does not exist\n");
    await until("the warning", () => runtime.residentLog.includes("has been replaced"));
    expect(answered()).toBe(1);
  });

  test("one socket has one server; a killed one's is taken over, and missed by nobody", async () => {
    const socket = runtime.socket;
    const second = await run([runtime.program, "serve", "--socket", socket], { env: runtime.environment });
    expect(second).toMatchObject({ code: 1, stderr: `gantry-runc: another process serves at "${socket}"\n` });
    await runtime.endServing("SIGKILL");
    expect(existsSync(socket)).toBe(true);
    expect((await runtime.call(["run", "-b", bundle(["sh", "-c", "exit 5"]), "b"])).code).toBe(5);
    await runtime.serve();
    expect((await runtime.call(["run", "-b", bundle(["sh", "-c", "exit 6"]), "b"])).code).toBe(6);
    await until("the answer", () => answered() === 1);
  });

  test("one that stands still is left after a second", async () => {
    process.kill(resident, "SIGSTOP");
    const begun = performance.now();
    const done = await runtime.call(["state", "x"]);
    process.kill(resident, "SIGCONT");
    expect(done.stderr).toBe("gantry-runc: container does not exist\n");
    expect(performance.now() - begun).toBeGreaterThan(900);
  });

  test("callers that say nothing hold up nobody", async () => {
    const script = `for (let i = 0; i < 50; i++) require("node:net").connect(${JSON.stringify(runtime.socket)});`;
    const silent = spawn(process.execPath, ["-e", script], { stdio: "ignore" });
    await until("them to be there", () => readdirSync(`/proc/${resident}/fd`).length > 50);
    const before = answered();
    await runtime.call(["state", "x"]);
    await until("the answer", () => answered() === before + 1);
    await until("them to be left", () => readdirSync(`/proc/${resident}/fd`).length < 50);
    silent.kill();
  });

  test("what a slow verb waits for holds up nobody", async () => {
    expect(await runtime.start("run", "-d", "-b", bundle(["sleep", "1000"]), "slow")).toBe(0);
    // A delete waits for the lock on the record.
    const holder = spawn("flock", [join(runtime.root, "slow", "container.json"), "sleep", "1.5"], {
      stdio: "ignore",
    });
    const released = new Promise((resolve) => holder.on("exit", resolve));
    await Bun.sleep(100);
    const deleted = runtime.spawn(["delete", "--force", "slow"]);
    const isDeleted = new Promise((resolve) => deleted.on("exit", resolve));
    await Bun.sleep(100);
    expect((await runtime.call(["state", "nope"])).code).toBe(1);
    expect(deleted.exitCode).toBeNull();
    await released;
    expect(await isDeleted).toBe(0);
    await until("both answers", () => answered() === 3);
  });

  test("what one caller has is not another's", async () => {
    const show = bundle(["sh", "-c", "echo $LISTEN_FDS; ulimit -n"]);
    const words = [runtime.program, "--root", runtime.root, "run", "-b", show, "c"];
    const rich = ["sh", "-c", 'ulimit -Sn 555; umask 077; exec "$@" 3</dev/null', "sh", ...words];
    const first = await run(rich, { env: { ...runtime.environment, LISTEN_FDS: "1" } });
    expect(first).toEqual({ code: 0, stdout: "1\n555\n", stderr: "" });
    const poor = await run(["sh", "-c", 'ulimit -Sn 444; exec "$@"', "sh", ...words], {
      env: runtime.environment,
    });
    expect(poor).toMatchObject({ code: 0, stdout: "\n444\n" });

    for (const mask of ["000", "077"]) {
      const create = [
        runtime.program,
        "--root",
        runtime.root,
        "create",
        "-b",
        bundle(["sleep", "9"]),
        `m${mask}`,
      ];
      const child: ChildProcess = spawn("sh", ["-c", `umask ${mask}; exec "$@"`, "sh", ...create], {
        stdio: "ignore",
        env: { ...process.env, ...runtime.environment },
      });
      expect(await new Promise((resolve) => child.on("exit", resolve))).toBe(0);
      const mode = (name: string) =>
        (statSync(join(runtime.root, `m${mask}`, name)).mode & 0o777).toString(8);
      expect([mode("."), mode("rootfs"), mode("container.json")]).toEqual(
        mask === "000" ? ["711", "755", "600"] : ["700", "700", "600"],
      );
      await runtime.ok("delete", "-f", `m${mask}`);
    }
  });

  test("paths that only the caller can follow are left to it", async () => {
    const process_ = JSON.stringify({
      user: { uid: 0, gid: 0 },
      args: ["/bin/busybox", "echo", "x"],
      cwd: "/",
    });
    const file = join(runtime.directory, "process.json");
    await Bun.write(file, process_);
    expect(await runtime.start("run", "-d", "-b", bundle(["sleep", "1000"]), "p")).toBe(0);
    const done = await run(
      [
        "sh",
        "-c",
        'exec "$0" --root "$1" exec --process /dev/stdin p <"$2"',
        runtime.program,
        runtime.root,
        file,
      ],
      { env: runtime.environment },
    );
    expect(done).toEqual({ code: 0, stdout: "x\n", stderr: "" });
    const inside = await run(
      [
        "sh",
        "-c",
        'cd "$2" && exec "$0" --root "$1" run q',
        runtime.program,
        runtime.root,
        bundle(["echo", "y"]),
      ],
      {
        env: runtime.environment,
      },
    );
    expect(inside).toEqual({ code: 0, stdout: "y\n", stderr: "" });
    await runtime.ok("delete", "-f", "p");
  });

  test("streams that are closed or that nobody reads", async () => {
    const shell = (line: string) =>
      run(["sh", "-c", line, runtime.program, runtime.root], { env: runtime.environment });
    expect((await shell('"$0" --root "$1" state x 2>&- >&- <&-')).code).toBe(1);
    expect(await runtime.start("run", "-d", "-b", bundle(["sleep", "1000"]), "s")).toBe(0);
    expect((await shell('"$0" --root "$1" state s >&-')).code).toBe(0);
    expect((await shell('{ "$0" --root "$1" state s; echo $? >&2; } | :')).stderr).toMatch(/^[01]\n$/);
    await runtime.ok("delete", "-f", "s");
  });

  test("two hundred at once", async () => {
    const one = bundle(["true"], { cgroupsPath: undefined });
    const codes = await Promise.all(
      Array.from({ length: 200 / SLOWNESS }, (_, index) => runtime.start("run", "-b", one, `n${index}`)),
    );
    expect(codes.filter((code) => code !== 0)).toEqual([]);
  }, 120_000);

  test("a thousand requests leave no descriptor and no memory behind", async () => {
    expect(await runtime.start("run", "-d", "-b", bundle(["sleep", "1000"]), "t")).toBe(0);
    const loop = (count: number) =>
      run(
        [
          "sh",
          "-c",
          'i=0; while [ $i -lt "$2" ]; do "$0" --root "$1" exec t true; "$0" --root "$1" kill t CONT; "$0" --root "$1" state t >/dev/null; i=$((i + 1)); done',
          runtime.program,
          runtime.root,
          String(count),
        ],
        { env: runtime.environment, timeoutMs: 100_000 },
      );
    const look = () => ({
      descriptors: readdirSync(`/proc/${resident}/fd`).length,
      kilobytes: Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${resident}/status`, "utf8"))?.[1]),
    });
    const [warmUp, measured] = [Math.ceil(200 / SLOWNESS), Math.ceil(340 / SLOWNESS)];
    await loop(warmUp);
    const before = look();
    await loop(measured);
    await until("its connections to be closed", () => look().descriptors <= before.descriptors);
    // So few, on a slow machine, that what grows is still the program itself.
    if (SLOWNESS === 1) expect(look().kilobytes).toBeLessThan(before.kilobytes * 1.3);
    await until("all answers", () => answered() === 1 + 3 * (warmUp + measured));
    await runtime.ok("delete", "-f", "t");
  }, 240_000);
});

describeWith("gantry-runc serve, killed at a point", ["root", "busybox", "native", "strace"], () => {
  const runtime = new Runtime();
  beforeAll(() => runtime.open());
  afterEach(async () => {
    await runtime.endServing("SIGKILL");
    await until(
      `nothing to be left: ${runtime.remains().join(", ")}`,
      () => runtime.remains().length === 0,
      3000,
    );
  });
  afterAll(() => runtime.close());

  /** The resident compiler is killed at its `count`-th message. */
  async function serveUntil(count: number): Promise<void> {
    const pid = await runtime.serve();
    const tracer = spawn(
      "strace",
      [
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        `inject=sendmsg:signal=SIGKILL:when=${count}`,
        "-p",
        String(pid),
      ],
      { stdio: "ignore" },
    );
    await until("the tracer", () => !readFileSync(`/proc/${pid}/status`, "utf8").includes("TracerPid:\t0"));
    tracer.unref();
  }

  test.each([
    ["before it has begun", 1],
    ["when everything is reserved", 2],
  ])("%s: run goes on as if it had never been there", async (_, count) => {
    await serveUntil(count);
    const done = await runtime.call([
      "run",
      "-b",
      runtime.bundle({ args: ["sh", "-c", "echo x; exit 7"] }),
      "a",
    ]);
    expect(done).toEqual({ code: 7, stdout: "x\n", stderr: "" });
    expect(await runtime.endServing("SIGKILL")).toBeNull();
  });

  test("when everything is reserved, and its caller, too: delete finds what is left", async () => {
    await runtime.serve();
    const child = spawn(
      "strace",
      [
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "inject=execveat:signal=SIGKILL",
        runtime.program,
        "--root",
        runtime.root,
        "create",
        "-b",
        runtime.bundle({ args: ["true"] }),
        "b",
      ],
      { stdio: "ignore", env: { ...process.env, ...runtime.environment } },
    );
    await new Promise((resolve) => child.on("exit", resolve));
    expect(await runtime.state("b")).toMatchObject({ status: "stopped", pid: 0 });
    await runtime.ok("delete", "b");
  });

  test.each(["kill", "pause", "delete"])("at the answer to %s: it is done again", async (verb) => {
    expect(await runtime.start("run", "-d", "-b", runtime.bundle({ args: ["sleep", "1000"] }), "c")).toBe(0);
    await serveUntil(2);
    const done = await runtime.call([verb, ...(verb === "delete" ? ["--force"] : []), "c"]);
    // A container that is paused by now cannot be paused again, and that is what is said.
    expect(done.code).toBe(verb === "pause" ? 1 : 0);
    await runtime.ok("delete", "--force", "c");
    expect((await runtime.call(["state", "c"])).code).toBe(1);
  });
});
