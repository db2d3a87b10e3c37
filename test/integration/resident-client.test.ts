/** The resident client that commands leave behind: what it carries out, for whom, and that nobody notices when it goes. */
import { afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { GANTRY, ROOT } from "../support/engine.ts";
import { type Finished, type RunOptions, run } from "../support/run.ts";
import { engineSuite } from "../support/suite.ts";
import { until } from "../support/until.ts";

engineSuite("the resident client", {}, (engine) => {
  let directory: string;
  let socket: string;
  beforeAll(async () => {
    // What the daemon makes once for the first network of its own names, and keeps, is made now.
    await engine().ok(["network", "create", "warm-up"]);
    await engine().ok(["run", "--rm", "--network", "warm-up", "busybox", "true"]);
    await engine().ok(["network", "rm", "warm-up"]);
  }, 60_000);
  beforeEach(() => {
    directory = mkdtempSync(join(engine().dir, "resident-"));
    socket = join(directory, "sock");
  });
  afterEach(async () => {
    for (const pid of residents()) process.kill(pid, "SIGTERM");
    await until("the resident client to end", () => residents().length === 0);
  });

  const words = (args: readonly string[]): string[] => ["--host", engine().host, ...args];
  const env = (): Record<string, string> => ({ GANTRY_CLIENT_SOCKET: socket });
  const gantry = (args: readonly string[], options: RunOptions = {}): Promise<Finished> =>
    run([GANTRY, ...words(args)], { ...options, env: { ...env(), ...options.env } });
  const alone = (args: readonly string[]): Promise<Finished> => engine().gantry(args);

  /** Of this socket, whichever build they are of. */
  function residents(): number[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => commandLine(pid) === `gantry-client\0${socket}\0`);
  }

  /** One that listens. */
  async function resident(): Promise<number> {
    await gantry(["ps"]);
    await until("a resident client", () => existsSync(socket) && !existsSync(`${socket}.starting`));
    const [pid, ...more] = residents();
    if (pid === undefined || more.length > 0) throw new Error(`${more.length} more resident clients`);
    return pid;
  }

  /** A command without the memory that an interpreter needs: it ends well when somebody else carries it out, and only then. */
  async function served(args: readonly string[], before = ""): Promise<Finished> {
    const once = (): Promise<Finished> =>
      run(["sh", "-c", `ulimit -v 50000; ${before} exec "$@"`, "sh", GANTRY, ...words(args)], { env: env() });
    const done = await once();
    // Killed for want of memory: a machine that was busy for a second is not the test's matter.
    return done.code > 128 ? await once() : done;
  }

  test("is left behind by the first command, and says what a process of the command's own says", async () => {
    expect(residents()).toEqual([]);
    expect((await served(["ps"])).code).not.toBe(0);
    await resident();
    await engine().ok([
      "run",
      "-d",
      "--name",
      "web",
      "--network",
      "none",
      "-l",
      "a=\u001b[31m",
      "busybox",
      "top",
    ]);
    const lines = [
      "ps -a --no-trunc",
      "ps -aq",
      "ps --format {{.Names}}|{{.Labels}}",
      "ps -f nonsense=1",
      "inspect -f {{.Name}}|{{.State.Status}} web",
      "inspect nothing web",
      "container inspect web",
      "exec web sh -c 'echo out; echo err >&2; exit 3'",
      "exec -e A=1 -w /tmp web sh -c 'echo $A; pwd'",
      "exec nothing true",
      "exec web /nothing",
      "run --rm --network none busybox sh -c 'echo hello; exit 4'",
      "run --rm --network none busybox /nothing",
      "run --rm --network nowhere busybox true",
      "images",
      "image inspect busybox",
      "network ls",
      "network inspect -f {{.Name}} bridge none",
      "network connect nowhere web",
      "volume ls",
      "volume inspect nothing",
      "kill nothing",
      "rm nothing",
      "rm web",
    ];
    for (const line of lines) {
      const args = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
      const own = await alone(args);
      // Ids, and how long ago something was, differ from one time to the next.
      const stable = (done: Finished): Finished => ({
        ...done,
        stdout: done.stdout
          .replace(/\b[0-9a-f]{12,64}\b/g, "ID")
          .replace(/(?:\d+|an?|Less than a) seconds?/gi, "TIME")
          // A column is as wide as its longest time.
          .replace(/ {3,}/g, "   "),
      });
      expect({ line, ...stable(await served(args)) }).toEqual({ line, ...stable(own) });
    }
    const changes = [
      "network create front",
      "network disconnect none web",
      "network connect front web",
      "network disconnect front web",
      "network rm front",
      "volume create data",
      "volume rm data",
      "pause web",
      "unpause web",
      "rename web web2",
      "rename web2 web",
      "kill -s CONT web",
      "restart -t 0 web",
      "stop -t 0 web",
      "wait web",
      "start web",
      "top web",
      "rm -f web",
      "create --name web busybox true",
      "rm web",
    ];
    for (const line of changes)
      expect({ line, ...(await served(line.split(" "))) }).toMatchObject({ code: 0, stderr: "" });
    expect(await engine().ok(["ps", "-aq"])).toBe("");
  });

  test("leaves to the command what needs a process of its own", async () => {
    await resident();
    const file = join(directory, "variables");
    writeFileSync(file, "A=from a file\n");
    for (const args of [
      ["run", "--rm", "-t", "--network", "none", "busybox", "true"],
      ["run", "--rm", "-i", "--network", "none", "busybox", "true"],
      ["run", "--rm", "--env-file", file, "--network", "none", "busybox", "true"],
      ["logs", "nothing"],
      ["ps", "--help"],
      ["--config", "relative", "ps"],
      ["version"],
    ])
      expect({ args, code: (await served(args)).code }).not.toEqual({ args, code: 0 });
    const done = await gantry(
      ["run", "--rm", "--env-file", "variables", "--network", "none", "busybox", "env"],
      {
        cwd: directory,
      },
    );
    expect(done.stdout).toContain("A=from a file\n");
    expect((await gantry(["ps", "--nonsense"])).stderr).toBe(
      "unknown flag: --nonsense\nSee 'gantry ps --help'.\n",
    );
    const missing = await gantry(["run", "localhost:1/nothing"]);
    expect(missing).toEqual(await alone(["run", "localhost:1/nothing"]));
    expect(missing.stderr).toStartWith("Unable to find image 'localhost:1/nothing:latest' locally\n");
  });

  test("works for nobody in another place or with other rights", async () => {
    await resident();
    expect((await served(["ps"])).code).toBe(0);
    for (const other of [
      ["unshare", "--net"],
      ["unshare", "--mount"],
      ["unshare", "--uts"],
      ["setpriv", "--no-new-privs"],
      ["setpriv", "--bounding-set=-sys_time"],
      ["setpriv", "--groups", "1"],
      ["taskset", "1"],
      ["env", "TZ=Asia/Tokyo"],
    ])
      expect({ other, code: (await served(["ps"], `set -- ${other.join(" ")} "$@";`)).code }).not.toEqual({
        other,
        code: 0,
      });
  });

  test("passes signals on to a container, and its exit status back", async () => {
    await resident();
    const script = 'trap "echo interrupted; exit 7" INT; echo up; while :; do sleep 0.1; done';
    const child = start(["run", "--rm", "--network", "none", "busybox", "sh", "-c", script]);
    await child.says("up\n");
    child.process.kill("SIGINT");
    expect(await child.ended).toEqual([7, null]);
    expect(child.output()).toBe("up\ninterrupted\n");
  });

  test("lets go of what a killed command had under way, and the container goes on", async () => {
    const pid = await resident();
    const before = readdirSync(`/proc/${pid}/fd`).length;
    const child = await startLong();
    expect(readdirSync(`/proc/${pid}/fd`).length).toBeGreaterThan(before);
    child.process.kill("SIGKILL");
    await until("its connections to be closed", () => readdirSync(`/proc/${pid}/fd`).length <= before);
    expect(await engine().ok(["inspect", "-f", "{{.State.Status}}", "on"])).toBe("running");
    expect((await served(["rm", "-f", "on"])).code).toBe(0);
  });

  test("killed before or while it works: the command does it itself, or says that it does not know", async () => {
    const pid = await resident();
    const child = await startLong();
    process.kill(pid, "SIGKILL");
    expect(await child.ended).toEqual([125, null]);
    expect(child.errors()).toBe(
      "gantry: the resident client has ended; what was asked for may be done or not\n",
    );
    await until("its end", () => residents().length === 0);
    expect((await gantry(["ps", "--format", "{{.Names}}"])).stdout).toBe("on\n");
    expect(await resident()).not.toBe(pid);
    expect((await served(["rm", "-f", "on"])).code).toBe(0);
  });

  test("that does not answer is done without", async () => {
    const pid = await resident();
    process.kill(pid, "SIGSTOP");
    expect((await gantry(["ps", "-q"])).code).toBe(0);
    process.kill(pid, "SIGCONT");
    expect((await served(["ps"])).code).toBe(0);
  });

  test("of another build is not asked twice: it ends", async () => {
    const bin = join(directory, "bin");
    mkdirSync(bin);
    for (const name of ["gantry", "gantryd", "gantry-shim", "gantry.node"])
      copyFileSync(join(ROOT, "build", name), join(bin, name));
    const ask = (): Promise<Finished> => run([join(bin, "gantry"), ...words(["ps", "-q"])], { env: env() });
    await ask();
    await until("a resident client", () => existsSync(socket));
    const [pid] = residents();
    // Not of its build: it stays for those who are.
    expect((await served(["ps"])).code).not.toBe(0);
    expect(residents()).toEqual([pid ?? 0]);
    copyFileSync(join(ROOT, "build", "gantryd"), join(bin, "new"));
    renameSync(join(bin, "new"), join(bin, "gantryd"));
    expect((await ask()).code).toBe(0);
    await until("its end", () => !residents().includes(pid ?? 0));
    rmSync(bin, { recursive: true });
  });

  test("many first commands at once leave one behind", async () => {
    const all = await Promise.all(Array.from({ length: 12 }, () => gantry(["ps", "-q"])));
    expect(all.map(({ code }) => code)).toEqual(all.map(() => 0));
    await until("the start to be over", () => !existsSync(`${socket}.starting`));
    expect(residents()).toHaveLength(1);
    expect(readFileSync(`${socket}.log`, "utf8")).toBe("");
    const more = await Promise.all(
      Array.from({ length: 40 }, () => gantry(["run", "--rm", "--network", "none", "busybox", "echo", "hi"])),
    );
    expect(more.map(({ code, stdout }) => `${code} ${stdout}`)).toEqual(more.map(() => "0 hi\n"));
  });

  /** A command that is under way for long, in a container that is. */
  async function startLong(): Promise<Started> {
    const line = "run --name on --network none busybox sh -c".split(" ");
    const child = start([...line, "echo up; sleep 1000"]);
    await child.says("up\n");
    return child;
  }

  function start(args: readonly string[]): Started {
    return new Started(spawn(GANTRY, words(args), { env: { ...process.env, ...env() } }));
  }
});

/** Undefined when it is gone. */
function commandLine(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return undefined;
  }
}

class Started {
  readonly process: ChildProcess;
  readonly ended: Promise<readonly [number | null, NodeJS.Signals | null]>;
  #out = "";
  #err = "";

  constructor(child: ChildProcess) {
    this.process = child;
    child.stdout?.on("data", (chunk: Buffer) => (this.#out += chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => (this.#err += chunk.toString()));
    this.ended = new Promise((resolve) => {
      child.on("close", (code, signal) => resolve([code, signal]));
    });
  }

  output(): string {
    return this.#out;
  }

  errors(): string {
    return this.#err;
  }

  async says(text: string): Promise<void> {
    await until(`"${text}"`, () => this.#out.includes(text));
  }
}
