/** What the kernel is asked to refuse: system calls, settings, devices, control groups, and pieces of the host (CVE-2022-0492, CVE-2022-0811, CVE-2023-2431). */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256 } from "../../support/images.ts";
import { program } from "../../support/programs.ts";
import { ROOT } from "../../support/engine.ts";
import type { Finished } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { SLOWNESS } from "../../support/until.ts";

const EPERM = 1;
const EBADF = 9;
const EFAULT = 14;
const ENOSYS = 38;

/** What a container's default filter answers, whatever the arguments are. */
const REFUSED: ReadonlyMap<string, number> = new Map([
  ...`add_key keyctl request_key bpf perf_event_open userfaultfd kexec_load kexec_file_load init_module
  finit_module delete_module open_by_handle_at mount umount2 pivot_root fsopen open_tree move_mount
  mount_setattr setns unshare io_uring_setup io_uring_enter io_uring_register personality reboot
  swapon swapoff settimeofday clock_settime acct quotactl nfsservctl lookup_dcookie iopl ioperm
  sethostname setdomainname syslog vhangup fanotify_init move_pages mbind set_mempolicy migrate_pages
  socket(38) socket(40)`
    .split(/\s+/)
    .map((name): [string, number] => [name, EPERM]),
  ["clone3", ENOSYS],
  ...(process.arch === "x64"
    ? ["x32-add_key", "ia32-add_key", "ia32-mount"].map((name): [string, number] => [name, EPERM])
    : []),
]);

/** What the attacker says where the kernel has no 32-bit calls. */
const NO_SUCH_DOOR = -1;

engineSuite("kernel", {}, (engine) => {
  const run = (...args: string[]): Promise<Finished> =>
    engine().gantry(["run", "--rm", "--network", "none", ...args]);

  /** The status that creating a container, or starting it, ends with. */
  async function startByApi(host: object): Promise<number> {
    const created = await engine().api("POST", "/containers/create", {
      Image: "busybox",
      Cmd: ["true"],
      HostConfig: { NetworkMode: "none", ...host },
    });
    const id = /"Id":"([0-9a-f]{64})"/.exec(created.body)?.[1];
    if (id === undefined) return created.status;
    const { status } = await engine().api("POST", `/containers/${id}/start`);
    await engine().ok(["rm", "-f", id]);
    return status;
  }

  async function calls(prefix: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const done = await engine().gantry([...prefix, "/attacker", "calls"]);
    expect(done.code, done.stderr).toBe(0);
    return new Map(
      done.stdout
        .trim()
        .split("\n")
        .map((line): [string, number] => [line.split(" ")[0] ?? "", Number(line.split(" ")[1])]),
    );
  }

  test(
    "dangerous system calls are refused in run and exec, and not when unconfined",
    async () => {
      const bind = ["-v", `${await program("attacker")}:/attacker`];
      const id = await engine().ok(["run", "-d", "--network", "none", ...bind, "busybox", "sleep", "1000"]);
      const doors = [
        ["run", "--rm", "--network", "none", ...bind, "busybox"],
        ["run", "--rm", "--network", "none", "-u", "1000", ...bind, "busybox"],
        ["run", "--rm", "--network", "none", "--init", ...bind, "busybox"],
        ["exec", id],
        ["exec", "--privileged", id],
      ];
      for (const door of doors) {
        const answers = await calls(door);
        for (const [name, errno] of REFUSED)
          if (answers.get(name) !== NO_SUCH_DOOR)
            expect([name, answers.get(name)], door.join(" ")).toEqual([name, errno]);
        expect(answers.get("getpid"), door.join(" ")).toBe(0);
      }
      // Twins: SYS_ADMIN opens what belongs to it; unconfined, the kernel itself answers.
      const admin = await calls([
        "run",
        "--rm",
        "--network",
        "none",
        "--cap-add",
        "SYS_ADMIN",
        ...bind,
        "busybox",
      ]);
      expect([admin.get("fsopen"), admin.get("setns")]).toEqual([EFAULT, EBADF]);
      const open = await calls([
        "run",
        "--rm",
        "--network",
        "none",
        "--security-opt",
        "seccomp=unconfined",
        ...bind,
        "busybox",
      ]);
      expect(open.get("add_key")).not.toBe(EPERM);
      await engine().ok(["rm", "-f", id]);
    },
    60_000 * SLOWNESS,
  );

  test("a profile that is empty, broken or missing confines nobody by accident", async () => {
    const dir = engine().dir;
    const broken = join(dir, "broken.json");
    writeFileSync(broken, '{"defaultAction":');
    const unknown = join(dir, "unknown.json");
    writeFileSync(unknown, '{"defaultAction":"SCMP_ACT_FOO"}');
    const nothing = join(dir, "nothing.json");
    writeFileSync(nothing, "{}");
    for (const profile of ["", "/nonexistent", dir, broken, unknown, nothing]) {
      const done = await run("--security-opt", `seccomp=${profile}`, "busybox", "echo", "ran");
      expect(done.stdout, profile).toBe("");
      expect(done.code, profile).toBeGreaterThan(124);
    }
    // The command line has a look at it, too: asked without one.
    for (const profile of ["seccomp=", "seccomp:", "seccomp"])
      expect(await startByApi({ SecurityOpt: [profile] }), profile).toBeGreaterThanOrEqual(400);
    const own = join(dir, "own.json");
    writeFileSync(
      own,
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":99}]}',
    );
    expect((await run("--security-opt", `seccomp=${own}`, "busybox", "mkdir", "/tmp/x")).stderr).toContain(
      "Cannot assign requested address",
    );
  });

  test("only sysctls of the container's own namespaces can be set, and nothing slips in with them", async () => {
    // What the host has already: whoever gets through changes nothing, but is seen to have run.
    const present = (key: string): string => readFileSync(`/proc/sys/${key}`, "utf8").trim();
    const before = ["kernel/core_pattern", "kernel/sem", "kernel/shm_rmid_forced", "vm/swappiness"].map(
      present,
    );
    const refused: readonly (readonly string[])[] = [
      ["--sysctl", `kernel.core_pattern=${present("kernel/core_pattern")}`],
      ["--sysctl", `kernel/core_pattern=${present("kernel/core_pattern")}`],
      ["--sysctl", `vm.swappiness=${present("vm/swappiness")}`],
      ["--sysctl", "a/../../x=1"],
      ["--sysctl", `net/../kernel/core_pattern=${present("kernel/core_pattern")}`],
      ["--sysctl", "net.ipv4.ip_forward=1", "--network", "host"],
      ["--sysctl", `kernel.sem=${present("kernel/sem")}`, "--ipc", "host"],
      ["--sysctl", `kernel.domainname=${present("kernel/domainname")}`, "--uts", "host"],
    ];
    for (const flags of refused) {
      const done = await engine().gantry([
        "run",
        "--rm",
        ...(flags.includes("--network") ? [] : ["--network", "none"]),
        ...flags,
        "busybox",
        "echo",
        "ran",
      ]);
      expect(done.stdout, flags.join(" ")).toBe("");
      expect(done.code, flags.join(" ")).toBeGreaterThan(124);
    }
    // The command line refuses some of them itself: asked without one.
    for (const key of [
      "kernel.core_pattern",
      "kernel/core_pattern",
      "vm.swappiness",
      "net/../vm/swappiness",
    ]) {
      const value = present(key.replace("net/../", "").replaceAll(".", "/"));
      expect(await startByApi({ Sysctls: { [key]: value } }), key).toBeGreaterThanOrEqual(400);
    }
    const odd = await run(
      "--sysctl",
      "kernel.shm_rmid_forced=1+kernel.core_pattern=|/x",
      "busybox",
      "echo",
      "ran",
    );
    expect(odd.stdout).toBe("");
    expect(
      ["kernel/core_pattern", "kernel/sem", "kernel/shm_rmid_forced", "vm/swappiness"].map(present),
    ).toEqual(before);
    expect(
      (
        await run(
          "--sysctl",
          "kernel.shm_rmid_forced=1",
          "busybox",
          "cat",
          "/proc/sys/kernel/shm_rmid_forced",
        )
      ).stdout,
    ).toBe("1\n");
  });

  test("devices of the host cannot be opened, not even through own nodes", async () => {
    const disk = readFileSync("/proc/partitions", "utf8").split("\n").at(2)?.trim().split(/\s+/) ?? [];
    const nodes = [
      ["b", disk[0] ?? "8", disk[1] ?? "0"],
      ["c", "1", "11"],
      ["c", "1", "1"],
      ["c", "10", "232"],
      ["c", "10", "229"],
      ["c", "10", "200"],
    ];
    const script = nodes
      .map(([type, major, minor], i) => `mknod /tmp/n${i} ${type} ${major} ${minor} && (: < /tmp/n${i}) 2>&1`)
      .join("; ");
    const done = await run(
      "busybox",
      "sh",
      "-c",
      `${script}; cat /dev/zero | head -c 3 | wc -c; echo > /dev/null`,
    );
    expect(done.stdout.match(/Operation not permitted/g)?.length).toBe(nodes.length);
    expect(done.stdout).toEndWith("3\n");
  });

  test("control groups cannot be mounted, joined or used to run something on the host", async () => {
    const marker = join(engine().dir, "escaped");
    const script = [
      "mkdir /tmp/c",
      "mount -t cgroup -o memory cgroup /tmp/c 2>/dev/null && echo MOUNTED",
      "mount -t cgroup2 none /tmp/c 2>/dev/null && echo MOUNTED",
      "unshare -UrmC true 2>/dev/null && echo UNSHARED",
      "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/x 2>/dev/null && echo MADE $d; (echo 0 > $d/cgroup.procs) 2>/dev/null && echo JOINED $d; done",
      `(echo '#!/bin/sh\ntouch ${marker}' > /cmd); for d in /sys/fs/cgroup/*; do (echo /cmd > $d/release_agent) 2>/dev/null && echo AGENT $d; (echo 1 > $d/notify_on_release) 2>/dev/null && echo NOTIFY $d; done`,
      "echo done",
    ].join("; ");
    expect((await run("busybox", "sh", "-c", script)).stdout).toBe("done\n");
    expect((await run("--cgroupns", "private", "busybox", "sh", "-c", script)).stdout).toBe("done\n");
    expect(existsSync(marker)).toBe(false);
  });

  test("an exec is in the control groups of its container, whatever its user and rights", async () => {
    const id = await engine().ok([
      "run",
      "-d",
      "--network",
      "none",
      "--pids-limit",
      "64",
      "busybox",
      "sleep",
      "1000",
    ]);
    const pid = await engine().ok(["inspect", "-f", "{{.State.Pid}}", id]);
    const onHost = readFileSync(`/proc/${pid}/cgroup`, "utf8");
    expect(onHost).toContain(id);
    // With version 2 a container has a cgroup namespace: its own cgroup is "/" there, any other "/../…".
    const own = onHost.startsWith("0::") ? "0::/\n" : onHost;
    for (const flags of [[], ["--privileged"], ["-u", "1000"], ["-t"]]) {
      const done = await engine().gantry(["exec", ...flags, id, "cat", "/proc/self/cgroup"]);
      expect(done.stdout.replaceAll("\r", ""), flags.join(" ")).toBe(own);
    }
    await engine().ok(["rm", "-f", id]);
  });

  test("with the host's namespaces nothing of the host is renamed, reconfigured or opened", async () => {
    const names = (): readonly string[] =>
      ["hostname", "domainname"].map((name) => readFileSync(`/proc/sys/kernel/${name}`, "utf8").trim());
    const before = names();
    const all = [
      "--network",
      "host",
      "--pid",
      "host",
      "--ipc",
      "host",
      "--uts",
      "host",
      "--cgroupns",
      "host",
    ];
    const script = [
      "cat /proc/sys/kernel/hostname",
      "(: >> /proc/sys/kernel/core_pattern) 2>/dev/null && echo WROTE core_pattern",
      "(: >> /proc/sysrq-trigger) 2>/dev/null && echo WROTE sysrq",
      "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/x 2>/dev/null && echo MADE $d; done",
      "mknod /tmp/mem c 1 1 && (: < /tmp/mem) 2>/dev/null && echo OPENED mem",
      "grep -E 'Seccomp:|NoNewPrivs|CapInh' /proc/self/status | tr -d '\\t'",
    ].join("; ");
    const done = await engine().gantry(["run", "--rm", ...all, "busybox", "sh", "-c", script]);
    expect(done.stdout).toBe(`${before[0]}\nCapInh:0000000000000000\nNoNewPrivs:0\nSeccomp:2\n`);
    expect(names()).toEqual(before);
    // Twin: in namespaces of its own it has a name of its own.
    expect((await run("--hostname", "mine", "busybox", "hostname")).stdout).toBe("mine\n");
    expect(names()).toEqual(before);
  });

  test("a cgroup parent stays below the root of the hierarchy", async () => {
    for (const parent of ["../../x", "/../x", "a\nb", "a/../../b", "x".repeat(300), "a\u0001b"]) {
      const done = await run("--cgroup-parent", parent, "busybox", "echo", "ran");
      expect(done.stdout, JSON.stringify(parent)).toBe("");
      expect(done.code, JSON.stringify(parent)).toBeGreaterThan(124);
    }
    // The path as the host sees it, whatever the cgroup version's default.
    const parent = ["--cgroupns", "host", "--cgroup-parent", "/gantry-parent"];
    const done = await run(...parent, "busybox", "cat", "/proc/self/cgroup");
    expect(done.stdout).toContain("/gantry-parent/");
  });

  test("what tells about the host is empty or read-only, also in an exec", async () => {
    const masked = [
      ...[
        "acpi",
        "asound",
        "interrupts",
        "kcore",
        "keys",
        "latency_stats",
        "sched_debug",
        "scsi",
        "timer_list",
        "timer_stats",
      ].map((name) => `/proc/${name}`),
      "/sys/firmware",
      "/sys/devices/virtual/powercap",
    ].filter((path) => existsSync(path));
    expect(masked.length).toBeGreaterThan(3);
    const look = masked
      .map(
        (path) =>
          `{ [ -d ${path} ] && ls -A ${path} || cat ${path}; } 2>/dev/null | wc -c; [ -c ${path} ] || (: >> ${path}) 2>/dev/null && [ ! -c ${path} ] && echo WROTE ${path}`,
      )
      .join("; ");
    // Opened alone: whoever gets through has harmed nobody yet.
    const writes = [
      "irq/default_smp_affinity",
      "sys/kernel/core_pattern",
      "sys/vm/swappiness",
      "sysrq-trigger",
    ]
      .map((name) => `(: >> /proc/${name}) 2>/dev/null && echo WROTE ${name}`)
      .join("; ");
    const script = `${look}; ${writes}; true`;
    const id = await engine().ok(["run", "-d", "--network", "none", "busybox", "sleep", "1000"]);
    const expected = "0\n".repeat(masked.length);
    expect((await run("busybox", "sh", "-c", script)).stdout).toBe(expected);
    expect((await engine().gantry(["exec", id, "sh", "-c", script])).stdout).toBe(expected);
    expect((await engine().gantry(["exec", "-u", "1000", id, "sh", "-c", script])).stdout).toBe(expected);
    await engine().ok(["rm", "-f", id]);
  });

  test(
    "no program of ours can be overwritten while starts and execs go on",
    async () => {
      const programs = ["gantryd", "gantry-shim"].map((name) => join(ROOT, "build", name));
      const sums = programs.map((path) => [sha256(readFileSync(path)), statSync(path).mtimeMs]);
      const id = await engine().ok([
        "run",
        "-d",
        "--network",
        "none",
        "--privileged",
        "--pid",
        "host",
        "-v",
        `${await program("attacker")}:/attacker`,
        "busybox",
        "sleep",
        "1000",
      ]);
      const attack = engine().gantry(["exec", id, "/attacker", "overwrite", "10"]);
      const end = performance.now() + 8000;
      let starts = 0;
      const worker = async (): Promise<void> => {
        while (performance.now() < end) {
          await engine().gantry(["exec", id, "true"]);
          await run("--init", "busybox", "/proc/self/exe");
          starts += 2;
        }
      };
      await Promise.all([worker(), worker()]);
      // The attacker may write to its own kind (busybox of a container); never to what is ours.
      expect((await attack).stdout).toContain("tried");
      expect(programs.map((path) => [sha256(readFileSync(path)), statSync(path).mtimeMs])).toEqual(sums);
      expect(starts).toBeGreaterThan(50 / SLOWNESS / 2);
      await engine().ok(["rm", "-f", id]);
    },
    60_000 * SLOWNESS,
  );

  test(
    "a process of the container sees no descriptor of the host in those that join it",
    async () => {
      const id = await engine().ok([
        "run",
        "-d",
        "--network",
        "none",
        "--cap-add",
        "SYS_PTRACE",
        "-v",
        `${await program("attacker")}:/attacker`,
        "busybox",
        "sleep",
        "1000",
      ]);
      // The container's own file systems: its root, /dev, /dev/shm ..., proc; and the attacker's, which is the host's.
      const mounts = ["/", "/dev", "/dev/pts", "/dev/shm", "/proc", "/sys", "/attacker"].join(" ");
      const devices = (await engine().ok(["exec", id, "stat", "-c", "%d", ...mounts.split(" ")])).split("\n");
      const looking = engine().gantry(["exec", id, "/attacker", "peek", "8", devices.join(",")]);
      const end = performance.now() + 6500;
      let execs = 0;
      while (performance.now() < end) {
        await engine().gantry(["exec", id, "true"]);
        execs++;
      }
      expect((await looking).stdout).toBe("looked\n");
      expect(execs).toBeGreaterThan(50 / SLOWNESS / 2);
      await engine().ok(["rm", "-f", id]);
    },
    60_000 * SLOWNESS,
  );

  test(
    "a container born in a neighbour's pid namespace shows it nothing while it is set up",
    async () => {
      // Without CAP_SYS_PTRACE: whoever has that may look into everything that it can name (ptrace(2)).
      const bind = ["-v", `${await program("attacker")}:/attacker`];
      const id = await engine().ok(["run", "-d", "--network", "none", ...bind, "busybox", "sleep", "1000"]);
      const looking = engine().gantry(["exec", id, "/attacker", "peek", "8", "0"]);
      const end = performance.now() + 6500;
      let starts = 0;
      const worker = async (): Promise<void> => {
        while (performance.now() < end) {
          expect((await run("--pid", `container:${id}`, "--cap-drop", "ALL", "busybox", "true")).code).toBe(
            0,
          );
          starts++;
        }
      };
      await Promise.all([worker(), worker()]);
      // Root and working directory of what runs at last are no secret to the same user. Descriptors it has none.
      const lines = (await looking).stdout.split("\n");
      expect(lines.at(-2)).toBe("looked");
      expect(lines.filter((line) => line.startsWith("LEAK") && !/\/(root|cwd) \/?$/.test(line))).toEqual([]);
      expect(starts).toBeGreaterThan(25 / SLOWNESS);
      await engine().ok(["rm", "-f", id]);
    },
    60_000 * SLOWNESS,
  );

  test(
    "requests beyond any size are refused in one piece, and the engine lives on",
    async () => {
      const base = { Image: "busybox", Cmd: ["true"], HostConfig: { NetworkMode: "none" } };
      const bodies: readonly (readonly [string, object])[] = [
        [
          "environment",
          { ...base, Env: Array.from({ length: 2000 }, (_, i) => `V${i}=${"x".repeat(10_000)}`) },
        ],
        ["argv", { ...base, Cmd: ["true", "x".repeat((2 << 20) + 1)] }],
        ["host name", { ...base, Hostname: "h".repeat(1 << 20) }],
        [
          "ulimits",
          {
            ...base,
            HostConfig: {
              NetworkMode: "none",
              Ulimits: Array.from({ length: 65_536 }, () => ({ Name: "nofile", Soft: 1, Hard: 1 })),
            },
          },
        ],
        [
          "mounts",
          {
            ...base,
            HostConfig: {
              NetworkMode: "none",
              Binds: Array.from({ length: 100_000 }, (_, i) => `/tmp:/m/${i}`),
            },
          },
        ],
      ];
      for (const [what, body] of bodies) {
        const created = await engine().api("POST", "/containers/create", body);
        if (created.status === 201) {
          const id = /"Id":"([0-9a-f]{64})"/.exec(created.body)?.[1] ?? "";
          const started = await engine().api("POST", `/containers/${id}/start`);
          expect(started.status, what).toBeGreaterThanOrEqual(400);
          await engine().ok(["rm", "-f", id]);
        } else expect([what, created.status >= 400 && created.status < 500]).toEqual([what, true]);
        expect(await engine().ping(), what).toBe(true);
      }
      mkdirSync(join(engine().dir, "fits"));
      expect(
        (await run("-e", `BIG=${"x".repeat(100_000)}`, "busybox", "sh", "-c", "echo ${#BIG}")).stdout,
      ).toBe("100000\n");
    },
    120_000 * SLOWNESS,
  );
});
