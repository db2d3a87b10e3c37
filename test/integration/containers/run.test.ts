import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { engineSuite } from "../../support/suite.ts";

engineSuite("run", {}, (engine) => {
  const run = (...args: string[]) => engine().gantry(["run", "--rm", "--network", "none", ...args]);

  test("passes output of both streams and exit code 0", async () => {
    const done = await run("busybox", "sh", "-c", "echo out; echo err >&2");
    expect(done).toEqual({ code: 0, stdout: "out\n", stderr: "err\n" });
  });

  test("passes the exit code of the process", async () => {
    expect((await run("busybox", "sh", "-c", "exit 42")).code).toBe(42);
  });

  test("gives 128+n for a process killed by a signal", async () => {
    expect((await run("busybox", "sh", "-c", "kill -9 $$")).code).toBe(0); // PID 1 is immune to its own namespace's SIGKILL
    expect((await run("--init", "busybox", "sh", "-c", "kill -9 $$")).code).toBe(137);
  });

  test("gives 127 for a missing command and names it", async () => {
    const done = await run("busybox", "no-such-command");
    expect(done.code).toBe(127);
    expect(done.stderr).toContain('exec: "no-such-command": executable file not found in $PATH');
  });

  test("gives 126 for a command that cannot be executed", async () => {
    const done = await run("busybox", "/etc/passwd");
    expect(done.code).toBe(126);
    expect(done.stderr).toContain("permission denied");
  });

  test("gives 125 for an unknown flag and suggests the nearest", async () => {
    const done = await run("--netwrok", "none", "busybox", "true");
    expect(done.code).toBe(125);
    expect(done.stderr).toContain("unknown flag: --netwrok");
    expect(done.stderr).toContain("--network");
  });

  test("gives 125 for an image that is not there", async () => {
    const done = await run("no-such-image", "true");
    expect(done.code).toBe(125);
    expect(done.stderr).toContain("no-such-image");
  });

  test("makes the command PID 1 of its own process tree", async () => {
    expect((await run("busybox", "sh", "-c", "echo $$; echo /proc/[0-9]*")).stdout).toBe("1\n/proc/1\n");
  });

  test("sets environment, working directory, user, hostname and entrypoint", async () => {
    const done = await run(
      ..."-e A=1 -e B= -w /tmp/new -u user -h box --entrypoint sh busybox".split(" "),
      "-c",
      'echo "$A|${B-unset}|$PWD|$(id -u):$(id -g)|$(id -G)|$HOME|$(hostname)"',
    );
    expect(done.stdout).toBe("1||/tmp/new|1000:1000|1000 10|/home/user|box\n");
  });

  test("gives root his supplementary groups from the image", async () => {
    expect((await run("busybox", "id")).stdout).toBe("uid=0(root) gid=0(root) groups=0(root),10(wheel)\n");
  });

  test("refuses a user that the image does not know", async () => {
    const done = await run("-u", "nobody-here", "busybox", "true");
    expect(done.code).toBe(125);
    expect(done.stderr).toContain("unable to find user nobody-here: no matching entries in passwd file");
  });

  test("never takes an out-of-range number for a user", async () => {
    for (const user of ["4294967296", "-1", "1e3", "0x0"]) {
      const done = await run("-u", user, "busybox", "id", "-u");
      expect(done.code, user).not.toBe(0);
      expect(done.stdout, user).toBe("");
    }
  });

  test("--network none leaves a loopback interface that is up, and nothing else", async () => {
    const done = await run("busybox", "ip", "-o", "addr");
    expect(done.stdout).toContain("127.0.0.1/8");
    expect(done.stdout.split("\n").filter((line) => line !== "" && !line.includes(" lo "))).toEqual([]);
  });

  test("--network host shares the engine's network namespace and its host name", async () => {
    const done = await engine().gantry([
      "run",
      "--rm",
      "--network",
      "host",
      "busybox",
      "sh",
      "-c",
      "readlink /proc/self/ns/net; hostname",
    ]);
    const { spawnSync } = await import("node:child_process");
    const expected = spawnSync("readlink", [`/proc/${engine().pid}/ns/net`], { encoding: "utf8" }).stdout;
    expect(done.stdout).toBe(`${expected}${hostname()}\n`);
  });

  test("-v binds a host directory, and :ro makes it read-only", async () => {
    const dir = join(engine().dir, "bound");
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, "given"), "from the host");
    const done = await run(
      "-v",
      `${dir}:/data`,
      "-v",
      `${dir}:/fixed:ro`,
      "busybox",
      "sh",
      "-c",
      "cat /data/given; echo made > /data/made; echo no > /fixed/x",
    );
    expect(done.stdout).toBe("from the host");
    expect(done.stderr).toContain("Read-only file system");
    expect(readFileSync(join(dir, "made"), "utf8")).toBe("made\n");
  });

  test("--read-only refuses writes to the root and allows them to /dev/shm", async () => {
    const done = await run(
      "--read-only",
      "busybox",
      "sh",
      "-c",
      "echo x > /x; echo x > /dev/shm/x && echo shm",
    );
    expect(done.stderr).toContain("Read-only file system");
    expect(done.stdout).toBe("shm\n");
  });

  test("changes to the root do not reach the image", async () => {
    await run("busybox", "sh", "-c", "echo changed > /etc/passwd; rm -rf /home");
    expect((await run("busybox", "sh", "-c", "wc -l < /etc/passwd; ls -d /home")).stdout).toBe("2\n/home\n");
  });

  test("--cap-drop and --cap-add change the sets; inheritable and ambient stay empty", async () => {
    const sets = async (...flags: string[]): Promise<string[]> => {
      const done = await run(...flags, "busybox", "grep", "^Cap", "/proc/self/status");
      return done.stdout
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => line.split("\t")[1] ?? "");
    };
    const none = "0000000000000000";
    expect(await sets()).toEqual([none, "00000000a80425fb", "00000000a80425fb", "00000000a80425fb", none]);
    expect(await sets("--cap-drop", "ALL")).toEqual([none, none, none, none, none]);
    expect(await sets("--cap-drop", "ALL", "--cap-add", "NET_ADMIN")).toEqual([
      none,
      "0000000000001000",
      "0000000000001000",
      "0000000000001000",
      none,
    ]);
    expect(await sets("-u", "1000")).toEqual([none, none, none, "00000000a80425fb", none]);
  });

  test("filters system calls, and not when privileged", async () => {
    const status = (...flags: string[]) =>
      run(
        ...flags,
        "busybox",
        "sh",
        "-c",
        "grep ^Seccomp: /proc/self/status; unshare -m true 2>/dev/null && echo may",
      );
    expect((await status()).stdout).toBe("Seccomp:\t2\n");
    expect((await status("--privileged")).stdout).toBe("Seccomp:\t0\nmay\n");
  });

  test("masks and protects kernel paths, and not when privileged", async () => {
    const look =
      "wc -c < /proc/timer_list; ls /sys/firmware | wc -l; [ -w /proc/sys/kernel/hostname ] && echo x > /proc/sys/kernel/hostname && echo written";
    expect((await run("busybox", "sh", "-c", look)).stdout).toBe("0\n0\n");
    expect((await run("--privileged", "busybox", "sh", "-c", look)).stdout).toContain("written");
  });

  test("--init keeps a reaping PID 1", async () => {
    const done = await run(
      "--init",
      "busybox",
      "sh",
      "-c",
      "ps -o pid,args | sed -n 2,3p; (sleep 0 & exec sleep 0.2); exit 3",
    );
    expect(done.stdout).toContain("docker-init -- sh");
    expect(done.code).toBe(3);
  });

  test("-t gives a terminal and raw output", async () => {
    const done = await run("-t", "busybox", "sh", "-c", "tty; echo line");
    expect(done.stdout).toBe("/dev/pts/0\r\nline\r\n");
  });

  test("-i forwards standard input and its end", async () => {
    const done = await engine().gantry(
      ["run", "--rm", "-i", "--network", "none", "busybox", "sh", "-c", "cat; echo end"],
      { input: "one\ntwo\n" },
    );
    expect(done.stdout).toBe("one\ntwo\nend\n");
  });

  test("without -i standard input is empty", async () => {
    expect(
      (await engine().gantry(["run", "--rm", "--network", "none", "busybox", "cat"], { input: "ignored" }))
        .stdout,
    ).toBe("");
  });

  test("carries many megabytes both ways unharmed", async () => {
    const input = Buffer.alloc(8 << 20, "0123456789abcdef\n");
    const done = await engine().gantry(
      [
        "run",
        "--rm",
        "-i",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "md5sum; yes 0123456789 | head -c 20000000 | md5sum",
      ],
      { input },
    );
    const { createHash } = await import("node:crypto");
    const second = createHash("md5").update(Buffer.alloc(20_000_000, "0123456789\n")).digest("hex");
    expect(done.stdout).toBe(`${createHash("md5").update(input).digest("hex")}  -\n${second}  -\n`);
  });

  test("-d prints the id and returns while the container runs", async () => {
    const id = await engine().ok(["run", "-d", "--network", "none", "busybox", "sleep", "100"]);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(await engine().ok(["ps", "-q", "--no-trunc"])).toBe(id);
  });

  test("--rm frees the name at once", async () => {
    for (let i = 0; i < 5; i++) expect((await run("--name", "again", "busybox", "true")).code).toBe(0);
  });

  test("a name in use is a conflict in Docker's words", async () => {
    await engine().ok(["create", "--name", "taken", "--network", "none", "busybox"]);
    const done = await run("--name", "taken", "busybox", "true");
    expect(done.code).toBe(125);
    expect(done.stderr).toContain('Conflict. The container name "/taken" is already in use by container');
  });
});
