/** What a container's process may do, asked from inside in every mode, as plain data that can be compared. */
import { program } from "./programs.ts";
import type { Finished } from "./run.ts";

/** One mode's answers by "area.name". */
export type Privileges = Readonly<Record<string, string>>;

export interface Mode {
  readonly name: string;
  /** Of `run`. */
  readonly run: readonly string[];
  /** Of an `exec` in that container; undefined = its first process is asked. */
  readonly exec?: readonly string[];
}

export const MODES: readonly Mode[] = [
  { name: "run", run: [] },
  { name: "exec", run: [], exec: [] },
  { name: "exec --privileged", run: [], exec: ["--privileged"] },
  { name: "exec -u 1000", run: [], exec: ["-u", "1000"] },
  { name: "--privileged", run: ["--privileged"] },
  { name: "exec in --privileged", run: ["--privileged"], exec: [] },
  { name: "--cap-add NET_ADMIN", run: ["--cap-add", "NET_ADMIN"] },
  { name: "--cap-add ALL", run: ["--cap-add", "ALL"] },
  { name: "--cap-drop ALL", run: ["--cap-drop", "ALL"] },
  { name: "-u 1000", run: ["-u", "1000"] },
  { name: "-u 1000 --cap-add NET_ADMIN", run: ["-u", "1000", "--cap-add", "NET_ADMIN"] },
  { name: "--read-only", run: ["--read-only"] },
  { name: "no-new-privileges", run: ["--security-opt", "no-new-privileges"] },
  { name: "seccomp=unconfined", run: ["--security-opt", "seccomp=unconfined"] },
  { name: "systempaths=unconfined", run: ["--security-opt", "systempaths=unconfined"] },
  { name: "--init", run: ["--init"] },
  { name: "-t", run: ["-t"] },
  {
    name: "the host's namespaces",
    run: ["--network", "host", "--pid", "host", "--ipc", "host", "--uts", "host"],
  },
  { name: "--cgroupns private", run: ["--cgroupns", "private"] },
];

const below = (directory: string, names: string): string[] =>
  names
    .trim()
    .split(/\s+/)
    .map((name) => `${directory}/${name}`);

/** Sensitive: what is masked or write-protected, and what should be. */
export const PATHS: readonly string[] = [
  ...below(
    "/proc",
    `acpi asound bus cmdline config.gz driver fs interrupts iomem irq kallsyms kcore keys key-users kmsg kpagecount
     latency_stats modules mtrr sched_debug scsi self/attr/current self/oom_score_adj slabinfo sysrq-trigger
     sys/kernel/core_pattern sys/kernel/modprobe sys/kernel/hostname sys/net/ipv4/ip_forward sys/vm/panic_on_oom
     timer_list timer_stats vmallocinfo`,
  ),
  ...below(
    "/sys",
    `devices/virtual/powercap firmware fs/cgroup fs/cgroup/memory/memory.limit_in_bytes fs/cgroup/memory/cgroup.procs
     fs/cgroup/cgroup.procs fs/selinux kernel/debug kernel/security kernel/uevent_helper module power/state
     class/thermal`,
  ),
  "/",
  "/dev",
  "/dev/shm",
  "/dev/mqueue",
  "/etc",
  "/etc/hosts",
  "/etc/resolv.conf",
  "/tmp",
];

/** Runs `docker` (or what takes its place) with these arguments. */
export type Cli = (args: readonly string[]) => Promise<Finished>;

async function ask(cli: Cli, { run, exec }: Mode, command: readonly string[]): Promise<string> {
  const bind = (name: string, file: string): string[] => ["-v", `${file}:/${name}:ro`];
  const binds = [
    ...bind("privileges", await program("privileges")),
    ...bind("attacker", await program("attacker")),
  ];
  const network = run.includes("--network") ? [] : ["--network", "none"];
  const options = [...network, ...binds, ...run];
  if (exec === undefined) return said(await cli(["run", "--rm", ...options, "busybox", ...command]));
  const id = said(await cli(["run", "-d", ...options, "busybox", "sleep", "1000"])).trim();
  try {
    return said(await cli(["exec", ...exec, id, ...command]));
  } finally {
    await cli(["rm", "-f", id]);
  }
}

function said({ code, stdout, stderr }: Finished): string {
  if (code !== 0) throw new Error(`exit ${code}: ${stdout}${stderr}`);
  return stdout.replaceAll("\r", "");
}

/**
 * The answers in one mode. `host`: of the engine itself, which is asked the same; namespaces and limits are told as "host"
 * where they are its own.
 */
export async function privilegesIn(cli: Cli, mode: Mode, host: Privileges): Promise<Privileges> {
  const answers: Record<string, string> = Object.create(null);
  for (const [key, value] of entries(await ask(cli, mode, ["/privileges", ...PATHS])))
    answers[key] = toldOf(key, value, host[key]);
  for (const [name, errno] of entries(await ask(cli, mode, ["/attacker", "calls"])))
    answers[`call.${name}`] = verdict(errno);
  return answers;
}

/** Without numbers of namespaces, and without what the disk below the engine decides. */
function toldOf(key: string, value: string, ofHost: string | undefined): string {
  if (/^(namespace|limit)\.|^mount\.\/dev\/shm$/.test(key) && ofHost === value) return "host";
  if (key === "mount./etc/hosts") return /^\S+ (r[ow])\b/.exec(value)?.[1] ?? value;
  return value.replace(/^\w+:\[\d+\]$/, "own");
}

export function entries(text: string): [key: string, value: string][] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const at = line.indexOf(" ");
      return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
    });
}

/** What else a kernel says to nonsense is its own business: the call has reached it. */
function verdict(errno: string): string {
  if (errno === "1") return "EPERM";
  return errno === "38" ? "ENOSYS" : "passes";
}

/** Keys whose value is the same in `base` are left out: what a mode changes is what one wants to read. */
export function differences(base: Privileges, other: Privileges): Privileges {
  const keys = [...new Set([...Object.keys(base), ...Object.keys(other)])].sort();
  return Object.fromEntries(
    keys.filter((key) => base[key] !== other[key]).map((key) => [key, other[key] ?? "absent"]),
  );
}
