/** Runs the probe under a runtime and reads its lines. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../support/engine.ts";
import { program } from "../../support/programs.ts";
import { Terminal } from "../../support/pty.ts";
import { must, run } from "../../support/run.ts";
import { type Configuration, type Document, LOOKED_AT, plain } from "./configurations.ts";

export interface Runtime {
  readonly name: "gantry-runc" | "runc" | "crun";
  readonly command: string;
}

export type View = ReadonlyMap<string, string>;

/** In a mount namespace without the unified hierarchy beside version 1's, which crun does not want to see. */
const ALONE = [
  "unshare",
  "-m",
  "--propagation",
  "private",
  "sh",
  "-c",
  'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"',
  "sh",
];

/** Those that can run a container here; for the others the reason is printed. */
export function runtimesHere(): readonly Runtime[] {
  const all: readonly Runtime[] = [
    { name: "gantry-runc", command: join(ROOT, "build", "gantry-runc") },
    { name: "runc", command: "runc" },
    { name: "crun", command: "crun" },
  ];
  return all.filter(({ name, command }) => {
    const found = spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
    if (!found) console.log(`not compared with ${name}: it is not installed`);
    return found;
  });
}

export class Workshop {
  readonly dir: string;
  readonly share: string;

  private constructor(dir: string) {
    this.dir = dir;
    this.share = join(dir, "share");
  }

  static async open(dir: string): Promise<Workshop> {
    const workshop = new Workshop(dir);
    const rootfs = join(dir, "bundle", "rootfs");
    for (const place of ["bin", "etc", "proc", "sys", "dev", "tmp", "root", "work", "x"])
      mkdirSync(join(rootfs, place), { recursive: true });
    copyFileSync(await program("probe"), join(rootfs, "probe"));
    copyFileSync("/bin/busybox", join(rootfs, "bin", "busybox"));
    for (const name of ["probe", "bin/busybox"]) chmodSync(join(rootfs, name), 0o755);
    for (const name of ["sh", "sleep", "cat"]) symlinkSync("busybox", join(rootfs, "bin", name));
    writeFileSync(join(rootfs, "file"), "the image's\n");
    writeFileSync(
      join(rootfs, "etc", "passwd"),
      "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n",
    );
    chmodSync(join(rootfs, "tmp"), 0o1777);
    mkdirSync(join(workshop.share, "sub"), { recursive: true });
    writeFileSync(join(workshop.share, "file"), "the host's\n");
    chmodSync(dir, 0o755);
    return workshop;
  }

  close(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Throws with the runtime's words when the container does not run. */
  async view(runtime: Runtime, configuration: Configuration): Promise<View> {
    const bundle = join(this.dir, "bundle");
    const config = plain(this.share);
    const probe = ["/probe", this.#callers(), ...LOOKED_AT];
    config.process.args = configuration.exec === undefined ? probe : ["/bin/sleep", "100"];
    configuration.change?.(config);
    this.#freshShare();
    writeFileSync(join(bundle, "config.json"), JSON.stringify(config));
    const state = ["--root", join(this.dir, `state-${runtime.name}`)];
    const call = (...words: string[]): string[] => [...ALONE, runtime.command, ...state, ...words];
    const id = "gantry-conformance";
    if (configuration.exec === undefined)
      return read(await this.#output(call("run", "--bundle", bundle, id), config.process.terminal));
    await must([
      "sh",
      "-c",
      '"$@" </dev/null >/dev/null 2>&1',
      "sh",
      ...call("create", "--bundle", bundle, id),
    ]);
    try {
      await must(call("start", id));
      const process: Document["process"] = { ...structuredClone(config.process), args: probe };
      configuration.exec(process);
      const file = join(this.dir, "process.json");
      writeFileSync(file, JSON.stringify(process));
      return read(await this.#output(call("exec", "--process", file, id), process.terminal));
    } finally {
      await run(call("delete", "--force", id));
    }
  }

  /** The mount below the shared directory is made anew, in the runtime's own mount namespace. */
  #freshShare(): void {
    rmSync(join(this.share, "new"), { recursive: true, force: true });
  }

  #callers(): string {
    return ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup", "time"]
      .map((name) => readlinkSync(`/proc/self/ns/${name}`).replace(/[[\]]/g, ""))
      .join(",");
  }

  async #output(command: readonly string[], isTerminal: boolean): Promise<string> {
    if (!isTerminal) return must(command, { cwd: this.dir });
    const terminal = new Terminal(command, { rows: 24, cols: 80 });
    const code = await terminal.ends();
    if (code !== 0) throw new Error(`exit ${code}: ${terminal.seen.slice(-500)}`);
    return terminal.seen.replaceAll("\r", "");
  }
}

function read(text: string): View {
  const view = new Map<string, string>();
  for (const line of text.split("\n")) {
    const at = line.indexOf(" = ");
    if (at < 0) continue;
    let key = line.slice(0, at);
    for (let n = 2; view.has(key); n++) key = `${line.slice(0, at)}#${n}`;
    view.set(key, plainly(key, line.slice(at + 3)));
  }
  if (view.get("end") !== "1") throw new Error(`the probe did not get to its end:\n${text.slice(-500)}`);
  return view;
}

/** A runtime may put its own pipe between the process and its caller's pipe or socket: a stream is a stream. */
function plainly(key: string, value: string): string {
  // How it was opened once tells nothing about what can be done with it.
  if (/^fd\.[012]$/.test(key))
    return value.replace(/^(pipe|socket):.*/, "a stream").replace(/ flags \d+/, "");
  return /^stdio\.[012]$/.test(key) ? value.replace(/^(10600|140777)/, "a stream") : value;
}

export interface Difference {
  readonly key: string;
  readonly ours: string;
  readonly theirs: string;
}

export function compare(ours: View, theirs: View): readonly Difference[] {
  return [...new Set([...ours.keys(), ...theirs.keys()])]
    .filter((key) => ours.get(key) !== theirs.get(key))
    .map((key) => ({ key, ours: ours.get(key) ?? "-", theirs: theirs.get(key) ?? "-" }));
}
