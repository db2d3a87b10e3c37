/** Verbs of our own command line, on real containers: recreate, execs, debug, completion. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Engine, GANTRY } from "../support/engine.ts";
import { busyboxArchive } from "../support/images.ts";
import { Terminal } from "../support/pty.ts";
import { describeWith } from "../support/requires.ts";
import { must, run } from "../support/run.ts";
import { engineSuite } from "../support/suite.ts";
import { until } from "../support/until.ts";

engineSuite("the command line's own verbs", {}, (engine) => {
  const ok = (...args: string[]): Promise<string> => engine().ok(args);
  beforeAll(async () => {
    // What the daemon makes once for the first network of its own names, and keeps, is made now.
    await ok("network", "create", "warm-up");
    await ok("run", "--rm", "--network", "warm-up", "busybox", "true");
    await ok("network", "rm", "warm-up");
  }, 60_000);
  const inspected = (name: string, format: string): Promise<string> => ok("inspect", "-f", format, name);

  test("recreate: another environment, the same name, mounts, network and published port", async () => {
    const shared = mkdtempSync(join(engine().dir, "shared-"));
    await ok("network", "create", "--subnet", "172.30.7.0/24", "front");
    try {
      const line = "run -d --name web --network front --ip 172.30.7.7 -p 127.0.0.1::80 -e A=1 -e B=2";
      await ok(
        ...line.split(" "),
        "-v",
        `${shared}:/data`,
        "busybox",
        "sh",
        "-c",
        "trap exit TERM; while :; do sleep 1; done",
      );
      const old = await inspected("web", "{{.Id}}");
      await ok("exec", "web", "touch", "/data/kept", "/lost");
      const id = await ok("recreate", "-e", "B=3", "-l", "tier=front", "web");
      expect(id).not.toBe(old);
      expect(await ok("ps", "-aq", "--no-trunc")).toBe(id);
      expect(
        await inspected(
          "web",
          '{{.Name}} {{.State.Status}} {{index .Config.Labels "tier"}} {{.NetworkSettings.Networks.front.IPAddress}}',
        ),
      ).toBe("/web running front 172.30.7.7");
      expect(await ok("exec", "web", "sh", "-c", "echo $A $B; ls /data; ls /lost || true")).toBe("1 3\nkept");
      expect(await ok("port", "web")).toMatch(/^80\/tcp -> 127\.0\.0\.1:\d+$/);
      await ok("rm", "-f", "web");
    } finally {
      await ok("network", "rm", "front");
    }
  });

  test("recreate: the old container is back when the new one cannot start", async () => {
    await ok("import", "-c", 'CMD ["/no-such-program"]', await emptyRoot(engine()), "broken:1");
    await ok("run", "-d", "--name", "web", "--network", "none", "--stop-timeout", "1", "busybox", "top");
    const old = await inspected("web", "{{.Id}}");
    // What the user wants to have run is still `top`, which that image has not.
    const failed = await engine().gantry(["recreate", "--image", "broken:1", "web"]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("cannot recreate container web: ");
    expect(await ok("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}")).toBe(
      `${old} web running`,
    );
    await ok("rmi", "broken:1");
  });

  test("execs ls and kill see and end what exec has started", async () => {
    await ok("run", "-d", "--name", "web", "--network", "none", "busybox", "top");
    await ok("exec", "-d", "web", "sleep", "1000");
    const session = engine().gantry([
      "exec",
      "web",
      "sh",
      "-c",
      "trap 'echo told; exit 3' HUP; echo up > /up; while :; do sleep 0.1; done",
    ]);
    await until(
      "the session to wait",
      async () => (await engine().gantry(["exec", "web", "test", "-s", "/up"])).code === 0,
    );
    const listed = await ok("execs", "ls", "--format", "{{.ID}} {{.Container}} {{.Command}} {{.Status}}");
    const rows = listed.split("\n").filter((row) => !row.includes('"test'));
    expect(rows.map((row) => row.replace(/^\S+ /, ""))).toEqual([
      'web "sleep 1000" Running',
      `web "sh -c trap 'echo to…" Running`,
    ]);
    const [sleeping = "", talking = ""] = rows.map((row) => row.split(" ")[0] ?? "");
    expect(await ok("execs", "kill", "-s", "HUP", talking)).toBe(talking);
    expect(await session).toEqual({ code: 3, stdout: "told\n", stderr: "" });
    expect(await ok("execs", "kill", sleeping)).toBe(sleeping);
    await until("the process to be gone", async () => !(await ok("top", "web")).includes("sleep 1000"));
    expect(await ok("execs", "ls", "-q")).toBe("");
    expect((await engine().gantry(["execs", "kill", sleeping])).stderr).toContain("is not running");
  });

  test("debug: tools of one image beside the processes, files and network of a container without a shell", async () => {
    await ok("import", "-c", 'CMD ["/sleep","1000"]', await emptyRoot(engine()), "bare:1");
    await ok("run", "-d", "--name", "bare", "--user", "1234", "--network", "none", "bare:1");
    expect((await engine().gantry(["exec", "bare", "sh"])).code).toBe(127);
    const look =
      "cat $ROOT/only-here; ps -o pid,args | grep -c '[/]sleep 1000'; readlink /proc/1/ns/net; readlink /proc/self/ns/net";
    const done = await engine().gantry(["debug", "bare", "sh", "-c", look], { input: "" });
    expect(done).toMatchObject({ code: 0, stderr: "" });
    const [file, count, theirs, ours] = done.stdout.trimEnd().split("\n");
    expect([file, count]).toEqual(["secret", "1"]);
    expect(ours).toBe(theirs ?? "");
    expect((await engine().gantry(["debug", "bare", "false"], { input: "" })).code).toBe(1);
    expect(await ok("ps", "-a", "--format", "{{.Names}}")).toBe("bare");
    // Nothing was put into it.
    expect(await ok("diff", "bare")).not.toContain("secret");
    await ok("rm", "-f", "bare");
    await ok("rmi", "bare:1");
  });

  test("debug at a terminal is a shell that says where the files are", async () => {
    await ok("run", "-d", "--name", "web", "--network", "none", "busybox", "top");
    const terminal = new Terminal([GANTRY, "--host", engine().host, "debug", "web"]);
    await terminal.shows("The files of web are at $ROOT, which is /proc/1/root.");
    await terminal.shows("# ");
    terminal.type("exit 4\r");
    expect(await terminal.ends()).toBe(4);
  });

  test("the bash script completes names, and takes no time that anybody would notice", async () => {
    await ok("create", "--name", "web", "--network", "none", "busybox");
    await ok("create", "--name", "worker", "--network", "none", "busybox");
    const script = `source <("$0" completion bash)
      gantry() { :; }
      COMP_WORDS=("$0" rm w); COMP_CWORD=2; COMP_LINE="$0 rm w"; COMP_POINT=\${#COMP_LINE}
      start=$EPOCHREALTIME; _gantry_complete; end=$EPOCHREALTIME
      echo "\${COMPREPLY[*]} $(( (\${end/./} - \${start/./}) / 1000 ))"`;
    const answer = await must(["bash", "--norc", "-c", script, GANTRY], {
      env: { DOCKER_HOST: engine().host },
    });
    expect(answer).toMatch(/^(?:web worker|worker web) \d+$/m);
    expect(Number(answer.trim().split(" ").at(-1))).toBeLessThan(500);
  });

  test("labels with control characters do not command a terminal, and programs get them as they are", async () => {
    await ok("create", "--name", "web", "--network", "none", "-l", "evil=\u001b]0;owned\u0007", "busybox");
    const line = [GANTRY, "--host", engine().host, "ps", "-a", "--format", '<{{.Label "evil"}}>'];
    const terminal = new Terminal(line);
    expect(await terminal.ends()).toBe(0);
    expect(terminal.seen).toContain("<\ufffd]0;owned\ufffd>");
    expect((await run(line)).stdout).toBe("<\u001b]0;owned\u0007>\n");
  });
});

describeWith("recreate and a daemon that dies", ["root", "busybox"], () => {
  let engine: Engine;

  beforeAll(async () => {
    engine = await Engine.start();
    await engine.ok(["load", "-q", "-i", await busyboxArchive()]);
  }, 60_000);

  afterAll(async () => {
    await engine.close();
  }, 60_000);

  test("in the middle: the next daemon has the old container, running and with its name", async () => {
    const loop = "trap '' TERM; while :; do sleep 0.2; done";
    const old = await engine.ok([..."run -d --name web --network none busybox sh -c".split(" "), loop]);
    const recreating = engine.gantry(["recreate", "-t", "100", "web"]);
    await until("the new container", async () => (await engine.ok(["ps", "-aq"])).split("\n").length === 2);
    await until("the stop to have begun", async () =>
      (await engine.ok(["events", "--since", "1m", "--until", "0s", "--format", "{{.Action}}"])).includes(
        "kill",
      ),
    );
    await engine.kill9();
    expect((await recreating).code).not.toBe(0);
    await engine.launch();
    expect(await engine.ok(["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}"])).toBe(
      `${old} web running`,
    );
    const next = await engine.ok(["recreate", "-t", "0", "web"]);
    expect(await engine.ok(["ps", "-aq", "--no-trunc"])).toBe(next);
  });
});

/** A root with one program that is no shell, and one file. */
async function emptyRoot(engine: Engine): Promise<string> {
  const root = mkdtempSync(join(engine.dir, "root-"));
  copyFileSync("/bin/busybox", join(root, "sleep"));
  for (const directory of ["proc", "dev", "sys", "etc"]) mkdirSync(join(root, directory));
  writeFileSync(join(root, "only-here"), "secret\n");
  const archive = `${root}.tar`;
  await must(["tar", "-C", root, "-cf", archive, "."]);
  return archive;
}
