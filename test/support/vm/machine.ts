/**
 * One QEMU machine, in pure emulation so that it is the same everywhere, that runs one job and powers itself off. What
 * it says comes out by virtio-serial ports, each one stream or file on this side:
 *
 *   output   what the job says            QEMU's standard output
 *   report   the test report              a file
 *   kernel   the kernel's log at the end  a file
 *   result   one line "exit CODE"         a file
 *
 * The serial console (a file, too) carries only what the kernel says loudly; an oops stops the machine.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type BaseImage, baseImage, CACHE } from "./base-image.ts";
import { projectImage } from "./project-image.ts";
import { makeWorkDirectory } from "./work-directory.ts";

export interface Job {
  /** A shell script; it starts in the checkout's root. A report is what it leaves in /run/report.xml. */
  readonly script: string;
  /** Names in the checkout that it needs besides what tests need. */
  readonly files?: readonly string[];
  readonly timeoutMs: number;
  /** The job gets this process's terminal instead of the "output" port. */
  readonly terminal: boolean;
}

export interface JobResult {
  /** The job's own; undefined: the machine ended without having told it. */
  readonly exitCode: number | undefined;
  /** Why the run is no success whatever the exit code says: a time-out, trouble of the kernel. */
  readonly problem: string | undefined;
  readonly report: string;
  /** What the kernel said: all of it, or what came by the console of a machine that died. */
  readonly kernelLog: string;
}

export interface Listener {
  /** What the job says, as it comes. */
  output(chunk: Buffer): void;
  /** One line about what takes a while. */
  note(line: string): void;
}

/** By setpriv the machine ends with this process, however that ends. */
const MACHINE = [
  "setpriv --pdeathsig KILL qemu-system-x86_64 -machine q35 -accel tcg,thread=multi,tb-size=512 -cpu max -smp 2 -m 2048",
  "-nodefaults -no-user-config -display none -no-reboot -device virtio-rng-pci -device virtio-serial-pci",
].join(" ");
const PROGRAMS = ["qemu-system-x86_64", "debootstrap", "mkfs.ext4", "setpriv", "git"];
/** Not a soft lockup: the emulated clock goes on while this machine is busy with something else. */
const KERNEL_TROUBLE =
  /^.*(?:\bOops\b|kernel BUG at|\bBUG: (?!soft lockup)|general protection fault|WARNING: CPU|Kernel panic).*$/m;
const KERNEL_ARGUMENTS = [
  "console=ttyS0 loglevel=5 oops=panic panic=-1 nowatchdog rcupdate.rcu_cpu_stall_suppress=1 mitigations=off",
  "systemd.unit=gantry-vm.target systemd.show_status=0 systemd.unified_cgroup_hierarchy=1",
  "apparmor=1 security=apparmor",
].join(" ");

/** Why no machine can run here; undefined: one can. */
export function whyNoMachine(): string | undefined {
  if (process.arch !== "x64") return `the test machine is x86-64, this one is ${process.arch}`;
  if (process.getuid?.() !== 0) return "root is needed to make its disk";
  const missing = PROGRAMS.filter((name) => spawnSync("sh", ["-c", `command -v ${name}`]).status !== 0);
  return missing.length === 0 ? undefined : `not installed: ${missing.join(", ")}`;
}

/** Throws when the machine cannot be made; what happens inside it is in the result. */
export async function runInMachine(job: Job, listener: Listener): Promise<JobResult> {
  const base = await baseImage((line) => listener.note(line));
  const work = makeWorkDirectory(CACHE);
  try {
    const project = await projectImage(work, job);
    const problem = await boot(qemuCommand(base, project, work, job), job, listener);
    return judge(work, problem);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function qemuCommand(base: BaseImage, project: string, work: string, { terminal }: Job): string[] {
  const disk = (path: string): string[] => [
    "-drive",
    `file=${path},format=raw,if=virtio,snapshot=on,cache=unsafe`,
  ];
  const port = (name: string, chardev: string): string[] => [
    "-chardev",
    `${chardev},id=${name}`,
    "-device",
    `virtserialport,chardev=${name},name=${name}`,
  ];
  const shell = ["-chardev", "stdio,id=shell,signal=off", "-device", "virtconsole,chardev=shell"];
  return [
    ...MACHINE.split(" "),
    "-kernel",
    base.kernel,
    "-initrd",
    base.initrd,
    "-append",
    KERNEL_ARGUMENTS,
    "-serial",
    `file:${join(work, "console")}`,
    ...disk(base.disk),
    ...disk(project),
    ...(terminal ? shell : port("output", "stdio,signal=off")),
    ...["report", "kernel", "result"].flatMap((name) => port(name, `file,path=${join(work, name)}`)),
  ];
}

/** Runs the machine to its end; the answer is what went wrong with it. */
function boot(command: readonly string[], job: Job, listener: Listener): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const stdio = job.terminal ? "inherit" : "pipe";
  const child = spawn(command[0] ?? "", command.slice(1), {
    // Standard input stays open: at its end QEMU would hang the port up, and the guest wait for ever to write to it.
    stdio: [stdio, stdio, "pipe"],
  });
  let problem: string | undefined;
  let complaints = "";
  const timer = setTimeout(() => {
    problem = `the machine was still running after ${job.timeoutMs / 1000} s and was stopped`;
    child.kill("SIGKILL");
  }, job.timeoutMs);
  child.stdout?.on("data", (chunk: Buffer) => listener.output(chunk));
  child.stderr?.on("data", (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-4000);
  });
  child.on("error", (error) => {
    problem = error.message;
  });
  child.on("close", (code) => {
    clearTimeout(timer);
    if (code !== 0) problem ??= `QEMU: exit ${code}: ${complaints.trim()}`;
    resolve(problem);
  });
  return promise;
}

function judge(work: string, problem: string | undefined): JobResult {
  const text = (name: string): string => {
    const path = join(work, name);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  };
  const code = /^exit (\d+)\n$/.exec(text("result"))?.[1];
  const kernelLog = text("kernel") === "" ? text("console") : text("kernel");
  const trouble = KERNEL_TROUBLE.exec(kernelLog)?.[0] ?? KERNEL_TROUBLE.exec(text("console"))?.[0];
  return {
    exitCode: code === undefined ? undefined : Number(code),
    problem:
      problem ??
      (trouble === undefined ? undefined : `the kernel is in trouble: ${trouble}`) ??
      (code === undefined ? "the machine ended without a result" : undefined),
    report: text("report"),
    kernelLog,
  };
}
