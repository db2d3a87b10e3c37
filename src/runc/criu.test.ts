import { describe, expect, test } from "bun:test";
import type { PlanOp } from "../runtime/plan.ts";
import type { Spec } from "../specs/oci-runtime/spec.ts";
import { type DumpFacts, type RestoreFacts, dumpWords, inheritedNamespaces, restoreWords } from "./criu.ts";
import { parseFlags } from "./flags.ts";
import { verb as checkpoint } from "./verbs/checkpoint.ts";
import { verb as restore } from "./verbs/restore.ts";

const BIND: PlanOp = {
  kind: "bind",
  recursive: true,
  targetFile: false,
  idmapTree: false,
  elsewhere: false,
  source: "/host/data",
  target: "/data",
  attrSet: 0n,
  attrClr: 0n,
  treeAttrSet: 0n,
  treeAttrClr: 0n,
  propagation: 0n,
  idmap: 0,
  beneath: "",
};
const OPS: readonly PlanOp[] = [
  BIND,
  { kind: "mask", path: "/proc/keys" },
  { kind: "mask", path: "/proc/acpi" },
];
const CPU = { dir: "/sys/fs/cgroup/cpu/x", name: "cpu", controllers: ["cpu", "cpuacct"] };
const common = { images: "/i", work: "/w", ops: OPS, cgroups: [CPU], hasDefaultConfig: false };

const spec = (namespaces: NonNullable<Spec["linux"]>["namespaces"] = [], annotations = {}): Spec => ({
  ociVersion: "1.2.0",
  annotations,
  linux: { namespaces },
});

function dump(words: readonly string[], facts: Partial<DumpFacts> = {}): string {
  const { flags } = parseFlags(words, checkpoint.flags, true);
  return dumpWords(flags, {
    ...common,
    spec: spec(),
    pid: 7,
    rootfs: "/b/rootfs",
    freezer: "/sys/fs/cgroup/freezer/x",
    streams: ["", "pipe:[9]", "file[1b:2a]"],
    maskedFiles: new Set(["/proc/keys"]),
    inodeOf: () => 42n,
    ...facts,
  }).join(" ");
}

function bringBack(words: readonly string[], facts: Partial<RestoreFacts> = {}): string {
  const { flags } = parseFlags(words, restore.flags, true);
  return restoreWords(flags, {
    ...common,
    spec: spec(),
    root: "/s/x/rootfs",
    pidFile: "/s/x/restored",
    streams: ["", "pipe:[9]", "file[1b:2a]"],
    cgroupPath: "/y",
    ...facts,
  }).join(" ");
}

describe("dumpWords()", () => {
  test("names what is outside of the container, and nothing else", () => {
    expect(dump([])).toBe(
      "dump --images-dir /i --work-dir /w --log-file dump.log -v4 --manage-cgroups=soft --tree 7 --root /b/rootfs " +
        "--freeze-cgroup /sys/fs/cgroup/freezer/x --cgroup-dump-controller cpu --cgroup-dump-controller cpuacct " +
        "--external mnt[/data]:/data --external mnt[/proc/keys]:/dev/null --external file[1b:2a]",
    );
  });

  test("a pre-dump is of memory alone", () => {
    expect(dump(["--pre-dump"])).toStartWith("pre-dump ");
    expect(dump(["--pre-dump"])).not.toContain("mnt[");
  });

  test.each([
    ["--tcp-established", "--tcp-established"],
    ["--tcp-skip-in-flight", "--skip-in-flight"],
    ["--link-remap", "--link-remap"],
    ["--ext-unix-sk", "--ext-unix-sk"],
    ["--shell-job", "--shell-job"],
    ["--file-locks", "--file-locks"],
    ["--auto-dedup", "--auto-dedup"],
    ["--leave-running", "--leave-running"],
    ["--manage-cgroups-mode=strict", "--manage-cgroups=strict"],
    ["--empty-ns=network", "--empty-ns net"],
    ["--parent-path=../a", "--prev-images-dir ../a --track-mem"],
    ["--page-server=10.0.0.1:99", "--page-server --address 10.0.0.1 --port 99"],
    ["--page-server=[::1]:99", "--page-server --address ::1 --port 99"],
  ])("%s becomes %s", (ours, theirs) => {
    expect(` ${dump([])} `).not.toContain(` ${theirs} `);
    expect(` ${dump([ours])} `).toContain(` ${theirs} `);
  });

  test.each([
    ["--manage-cgroups-mode=none", "invalid manage-cgroups-mode value"],
    ["--empty-ns=pid", "not supported"],
    ["--parent-path=/a", "must be relative"],
    ["--page-server=10.0.0.1", "ADDRESS:PORT"],
    ["--page-server=10.0.0.1:0", "ADDRESS:PORT"],
    ["--page-server=10.0.0.1:70000", "ADDRESS:PORT"],
  ])("%s is refused", (flag, reason) => {
    expect(() => dump([flag])).toThrow(reason);
  });

  test("namespaces by path are outside, unless they are the host's", () => {
    const network = { type: "network", path: "/run/netns/a" } as const;
    expect(dump([], { spec: spec([network]) })).toContain("--external net[42]:extRootNetNS");
    expect(dump([], { spec: spec([{ ...network, gantryHost: true }]) })).not.toContain("extRoot");
  });

  test("the annotation org.criu.config comes before the file for all", () => {
    const annotated = (text: string): Partial<DumpFacts> => ({
      spec: spec([], { "org.criu.config": text }),
      hasDefaultConfig: true,
    });
    expect(dump([], { hasDefaultConfig: true })).toContain("--config /etc/criu/runc.conf");
    expect(dump([], annotated("/c"))).toContain("--config /c");
    expect(dump([], annotated(""))).not.toContain("--config");
  });
});

describe("restoreWords()", () => {
  test("puts what is outside in its place", () => {
    expect(bringBack([])).toBe(
      "restore --images-dir /i --work-dir /w --log-file restore.log -v4 --manage-cgroups=soft --restore-detached " +
        "--restore-sibling --evasive-devices --mntns-compat-mode --pidfile /s/x/restored --root /s/x/rootfs --cgroup-root cpu,cpuacct:/y " +
        "--external mnt[/data]:/host/data --external mnt[/dev/null]:/dev/null " +
        "--inherit-fd fd[1]:pipe:[9] --inherit-fd fd[2]:file[1b:2a]",
    );
  });

  test("in cgroup v2 there is one root", () => {
    const cgroups = [{ dir: "/sys/fs/cgroup/x", name: "cgroup", controllers: [] }];
    expect(bringBack([], { cgroups })).toContain("--cgroup-root /y ");
  });

  test("inherited namespaces are descriptors from 3 up, network first; others are joined", () => {
    const namespaces = spec([
      { type: "pid", path: "/p" },
      { type: "ipc", path: "/c" },
      { type: "network", path: "/n" },
    ]);
    expect(inheritedNamespaces(namespaces).map(({ path }) => path)).toEqual(["/n", "/p"]);
    expect(bringBack([], { spec: namespaces })).toContain(
      "--inherit-fd fd[3]:extRootNetNS --inherit-fd fd[4]:extRootPidNS --join-ns ipc:/c ",
    );
  });

  test("a mount namespace by path is refused", () => {
    expect(() => bringBack([], { spec: spec([{ type: "mount", path: "/m" }]) })).toThrow(
      "cannot be restored",
    );
  });

  test.each([
    ["--lsm-profile=apparmor:x", "--lsm-profile apparmor:x"],
    ["--lsm-mount-context=a:b", "--lsm-mount-context a:b"],
    ["--tcp-established", "--tcp-established"],
  ])("%s becomes %s", (ours, theirs) => {
    expect(` ${bringBack([])} `).not.toContain(` ${theirs} `);
    expect(` ${bringBack([ours])} `).toContain(` ${theirs} `);
  });
});
