import { describe, expect, test } from "bun:test";
import { spawn, type ChildProcess } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Terminal } from "../../test/support/pty.ts";
import {
  fileIdentity,
  isTerminalOf,
  programIdentity,
  readStartedWith,
  readSurroundings,
} from "./peer-process.ts";
import { leadsToItsReader, namesItsReader } from "./reader-paths.ts";

/** A process that has become its program: it says so. */
async function withProcess(
  words: readonly string[],
  options: { readonly env?: Record<string, string>; readonly cwd?: string; readonly stderr?: number },
  use: (pid: number) => void | Promise<void>,
): Promise<void> {
  const child: ChildProcess = spawn("sh", ["-c", 'echo; read line; exit "$1"', "sh", "0", ...words], {
    stdio: ["pipe", "pipe", options.stderr ?? "inherit"],
    ...options,
  });
  await new Promise((resolve) => child.stdout?.once("data", resolve));
  try {
    await use(child.pid ?? 0);
  } finally {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.stdin?.end("\n");
    await ended;
  }
}

describe("readStartedWith()", () => {
  test("words, environment and directory are as they were given", async () => {
    const cwd = mkdtempSync(join(tmpdir(), "gantry-peer-"));
    await withProcess(
      ["a b", "", "ä"],
      { cwd, env: { A: "b=c", EMPTY: "", PATH: "/bin:/usr/bin" } },
      (pid) => {
        expect(readStartedWith(pid)).toMatchObject({
          environment: { A: "b=c", EMPTY: "" },
          workingDirectory: realpathSync(cwd),
          umask: process.umask(),
        });
        expect(readStartedWith(pid)?.words.slice(-3)).toEqual(["a b", "", "ä"]);
      },
    );
    rmSync(cwd, { recursive: true });
  });

  test("a directory that is gone has no path", async () => {
    const cwd = mkdtempSync(join(tmpdir(), "gantry-peer-"));
    await withProcess([], { cwd }, (pid) => {
      rmSync(cwd, { recursive: true });
      expect(readStartedWith(pid)).toBeUndefined();
    });
  });

  test("a process that is gone is nobody", async () => {
    let last = 0;
    await withProcess([], {}, (pid) => {
      last = pid;
    });
    expect(readStartedWith(last)).toBeUndefined();
    expect(readSurroundings(last)).toBeUndefined();
    expect(programIdentity(last)).toBeUndefined();
  });
});

describe("readSurroundings()", () => {
  test("a child lives where we do", async () => {
    await withProcess([], {}, (pid) => expect(readSurroundings(pid)).toBe(readSurroundings("self")));
  });

  test.if(process.getuid?.() === 0).each([
    ["another mount namespace", ["unshare", "-m"]],
    ["another network", ["unshare", "-n"]],
    ["a pid namespace for its children", ["unshare", "--pid", "--fork"]],
    ["another user", ["setpriv", "--reuid", "65534", "--clear-groups"]],
    ["fewer capabilities", ["setpriv", "--bounding-set", "-sys_admin"]],
    ["no new privileges", ["setpriv", "--no-new-privs"]],
  ] as const)("with %s it does not", async (what, prefix) => {
    const child = spawn(prefix[0], [...prefix.slice(1), "sh", "-c", "echo $$; read line"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const text = await new Promise<string>((resolve) => {
      child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString()));
    });
    // The shell in a pid namespace of its own does not know our number for it; its parent has the namespace for children.
    const pid = what.startsWith("a pid") ? (child.pid ?? 0) : Number(text);
    const other = readSurroundings(pid);
    child.stdin.end("\n");
    await new Promise((resolve) => child.once("exit", resolve));
    expect(other).toBeDefined();
    expect(other).not.toBe(readSurroundings("self"));
  });
});

describe("isTerminalOf()", () => {
  test("a pipe is none, nor is what is not open", async () => {
    await withProcess([], {}, (pid) => {
      for (const descriptor of [0, 1, 999]) expect(isTerminalOf(pid, descriptor)).toBe(false);
    });
  });

  test("a pseudo-terminal is one, and what is beside it is none", async () => {
    const script = 'exec 3</dev/null 4</dev/tty; echo "pid $$."; read line';
    const terminal = new Terminal(["setsid", "--ctty", "--wait", "sh", "-c", script]);
    await terminal.shows(".");
    const pid = Number(/pid (\d+)\./.exec(terminal.seen)?.[1]);
    expect([0, 1, 2, 3, 4].map((descriptor) => isTerminalOf(pid, descriptor))).toEqual([
      true,
      true,
      true,
      false,
      true,
    ]);
    terminal.type("\n");
    expect(await terminal.ends()).toBe(0);
    expect(isTerminalOf(pid, 0)).toBe(false);
  });

  test("a file whose name looks like one is none", async () => {
    const directory = mkdtempSync(join(tmpdir(), "gantry-peer-"));
    mkdirSync(join(directory, "dev"));
    const file = openSync(join(directory, "dev", "tty"), "w");
    await withProcess([], { stderr: file }, (pid) => expect(isTerminalOf(pid, 2)).toBe(false));
    closeSync(file);
    rmSync(directory, { recursive: true });
  });
});

test("fileIdentity() changes with the file", () => {
  const directory = mkdtempSync(join(tmpdir(), "gantry-peer-"));
  const [file, copy] = [join(directory, "a"), join(directory, "b")];
  writeFileSync(file, "x");
  const before = fileIdentity(file);
  expect(fileIdentity(file)).toBe(before);
  copyFileSync(file, copy);
  expect(fileIdentity(copy)).not.toBe(before);
  writeFileSync(file, "xy");
  expect(fileIdentity(file)).not.toBe(before);
  rmSync(directory, { recursive: true });
});

describe("paths that mean something else to each reader", () => {
  test.each([
    "/proc/self/fd/3",
    "/proc/thread-self",
    "/dev/fd/4",
    "/dev/stdin",
    "/dev/stdout",
    "/x/../dev/tty",
  ])("%s does", (path) => expect(namesItsReader(path)).toBe(true));
  test.each(["/proc/1/ns/net", "/dev/null", "/devices", "/etc", "/dev/stdinner"])("%s does not", (path) => {
    expect(namesItsReader(path)).toBe(false);
  });
  test("a link to one does, too", () => {
    const directory = mkdtempSync(join(tmpdir(), "gantry-peer-"));
    symlinkSync("/proc/self", join(directory, "link"));
    expect(leadsToItsReader(join(directory, "link"))).toBe(true);
    expect(leadsToItsReader(directory)).toBe(false);
    expect(leadsToItsReader(join(directory, "missing"))).toBe(false);
    rmSync(directory, { recursive: true });
  });
});
