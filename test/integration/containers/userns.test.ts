/** `userns-remap`: containers with users of their own. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Engine } from "../../support/engine.ts";
import { engineSuite } from "../../support/suite.ts";
import { busyboxArchive } from "../../support/images.ts";
import { until } from "../../support/until.ts";

/** Users and their ids are those of a copy of /etc that only the engine sees. */
const OWN_ETC = "mkdir /opt/etc; cp -a /etc/. /opt/etc/; mount --bind /opt/etc /etc";
const OWN_USER = `mount -t tmpfs tmpfs /opt; ${OWN_ETC}; printf 'remapped:x:4711:4711::/:/bin/false\\n' >> /etc/passwd; printf 'remapped:x:4711:\\n' >> /etc/group; printf 'remapped:700000:60000\\n4711:800000:5536\\n' > /etc/subuid; printf 'remapped:900000:65536\\n' > /etc/subgid`;

const hostIds = (pid: string): string =>
  readFileSync(`/proc/${pid}/status`, "utf8")
    .split("\n")
    .filter((line) => /^[UG]id:/.test(line))
    .map((line) => line.split("\t")[1])
    .join(" ");

const NAMESPACES = "readlink /proc/self/ns/user; readlink /proc/self/ns/net";

const user = (path: string): string => {
  const { uid, gid } = statSync(path);
  return `${uid}:${gid}`;
};

engineSuite("userns-remap", { flags: ["--userns-remap", "remapped"], host: OWN_USER }, (engine) => {
  const NONE = ["--network", "none"];
  const sh = async (script: string, ...flags: string[]): Promise<string> => {
    const { code, stdout, stderr } = await engine().gantry([
      "run",
      "--rm",
      ...NONE,
      ...flags,
      "busybox",
      "sh",
      "-c",
      script,
    ]);
    return `${stdout}${stderr}${code === 0 ? "" : `exit ${code}\n`}`;
  };
  const started = (...flags: string[]): Promise<string> =>
    engine().ok(["run", "-d", ...NONE, ...flags, "busybox", "sleep", "100"]);
  const inspect = (id: string, format: string): Promise<string> => engine().ok(["inspect", "-f", format, id]);
  const upper = (id: string): Promise<string> => inspect(id, "{{.GraphDriver.Data.UpperDir}}");

  test("processes are nobody special on the host, and root inside", async () => {
    const id = await started();
    const pid = await inspect(id, "{{.State.Pid}}");
    expect(hostIds(pid)).toBe("700000 900000");
    expect(await engine().ok(["exec", id, "id", "-u"])).toBe("0");
    expect(readFileSync(`/proc/${pid}/uid_map`, "utf8").trim().split(/\s+/)).toEqual(
      "0 700000 60000 60000 800000 5536".split(" "),
    );
    expect(await inspect(id, "{{.HostConfig.UsernsMode}}")).toBe("");
  });

  test("an exec has the container's users, by number, name and group", async () => {
    const id = await started();
    expect(await engine().ok(["exec", "-u", "1000:50", id, "id"])).toContain("uid=1000(user) gid=50(staff)");
    expect(await engine().ok(["exec", "-u", "user", id, "sh", "-c", "id -u; id -g; id -G"])).toBe(
      "1000\n1000\n1000 10",
    );
    await engine().ok(["exec", "-d", "-u", "1000", id, "sleep", "33"]);
    await until("the exec to be seen", async () =>
      /^701000 +\d+ +sleep 33/m.test(await engine().ok(["top", id, "-eo", "uid,pid,args"])),
    );
  });

  test("files keep the ids of the image and of inside on the disk", async () => {
    const id = await started();
    await engine().ok([
      "exec",
      id,
      "sh",
      "-c",
      "echo a > /a; chown 1000:50 /a; mkdir /d; chmod 600 /etc/passwd",
    ]);
    const dir = await upper(id);
    expect([user(join(dir, "a")), user(join(dir, "d")), user(join(dir, "etc/passwd"))]).toEqual([
      "1000:50",
      "0:0",
      "0:0",
    ]);
    expect(await engine().ok(["exec", id, "stat", "-c", "%u:%g", "/a", "/bin/busybox"])).toBe("1000:50\n0:0");
  });

  test("a container that stops and one that asks for the host's users share images and files", async () => {
    const id = await started("--userns=host");
    expect(hostIds(await inspect(id, "{{.State.Pid}}"))).toBe("0 0");
    expect(await inspect(id, "{{.HostConfig.UsernsMode}}")).toBe("host");
    expect(await sh("cat /proc/self/uid_map", "--userns=host")).toMatch(/^\s*0\s+0\s+4294967295/);
    expect(await engine().ok(["images", "-q"])).not.toBe("");
    expect(await sh("id -u; cat /proc/self/uid_map", "--userns=host", "--privileged")).toStartWith("0\n");
  });

  test("a container starts again with what it wrote", async () => {
    const id = await engine().ok([
      "create",
      ...NONE,
      "busybox",
      "sh",
      "-c",
      "cat /x 2>/dev/null || { echo kept > /x; chown 1000 /x; }; stat -c %u /x",
    ]);
    expect(await engine().ok(["start", "-a", id])).toBe("1000");
    expect(await engine().ok(["start", "-a", id])).toBe("kept\n1000");
  });

  test.each<[string[], string]>([
    [
      ["--privileged"],
      "privileged mode is incompatible with user namespaces.  You must run the container in the",
    ],
    [["--network", "host"], "cannot share the host's network namespace when user namespaces are enabled"],
    [["--pid", "host"], "cannot share the host PID namespace when user namespaces are enabled"],
    [["--userns", "foo"], "invalid USER mode"],
  ])("%j is refused with Docker's words", async (flags, words) => {
    const { code, stderr } = await engine().gantry(["run", "--rm", ...flags, "busybox", "true"]);
    expect(stderr).toContain(words);
    expect(code).toBe(125);
  });

  test("info tells", async () => {
    expect(await engine().ok(["info", "-f", "{{.SecurityOptions}}"])).toContain("name=userns");
  });

  test("hosts, hostname and resolv.conf belong to the container's root", async () => {
    const names = "/etc/hosts /etc/hostname /etc/resolv.conf";
    expect(
      await sh(`stat -c %u:%g:%a ${names}; echo 1.2.3.4 more >> /etc/hosts && tail -n 1 /etc/hosts`),
    ).toBe(`${"0:0:644\n".repeat(3)}1.2.3.4 more\n`);
  });

  test("devices, terminals, shared memory, message queues and standard streams work", async () => {
    expect(await sh("echo x > /dev/null; head -c 3 /dev/zero | wc -c; ls -ln /dev/null | cut -c 1-10")).toBe(
      "3\ncrw-rw-rw-\n",
    );
    expect(await sh("echo a > /dev/shm/x && cat /dev/shm/x; stat -c %u:%a /dev/shm /dev/mqueue")).toBe(
      "a\n0:1777\n0:1777\n",
    );
    expect(await sh("echo out > /dev/stdout; echo err > /dev/stderr")).toBe("out\nerr\n");
    expect(await sh("echo out > /dev/stdout", "--user", "1000")).toBe("out\n");
    expect(await sh("tty; stat -c %u:%G $(tty); echo t > /dev/tty", "-t")).toMatch(/^\/dev\/pts\/0\r\n0:/);
    expect(await sh("mount | grep -c devpts; grep pts /proc/mounts")).toContain("gid=900005");
  });

  test("sysctls of the container's own namespaces, groups that may ping", async () => {
    expect(
      await sh("cat /proc/sys/net/ipv4/ping_group_range /proc/sys/net/ipv4/ip_unprivileged_port_start"),
    ).toBe("0\t65535\n0\n");
    expect(await sh("cat /proc/sys/kernel/shmmni", "--sysctl", "kernel.shmmni=77")).toBe("77\n");
  });

  test("the host's name can be shared, its message queues not", async () => {
    expect(await sh("hostname", "--uts", "host")).toBe(`${hostname()}\n`);
    expect(await sh("true", "--ipc", "host")).toContain("operation not permitted");
  });

  test("tmpfs mounts, read-only roots, limits and scores", async () => {
    expect(await sh("stat -c %u:%a /t; echo x > /t/x && cat /t/x", "--tmpfs", "/t")).toBe("0:1777\nx\n");
    expect(await sh("touch /x", "--read-only")).toContain("Read-only file system");
    expect(await sh("cat /proc/self/oom_score_adj", "--oom-score-adj", "100")).toBe("100\n");
    expect(await sh("ulimit -n", "--ulimit", "nofile=100:100")).toBe("100\n");
    expect(
      await sh(
        "cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max",
        "--pids-limit",
        "9",
      ),
    ).toBe("9\n");
    expect(await sh("exec true", "--init")).toBe("");
  });

  test("a user that the mapping does not have is refused", async () => {
    expect(await sh("true", "--user", "65535")).toBe("");
    expect(await sh("true", "--user", "65536")).toMatch(/65536.*exit 1\d\d/s);
  });

  test("capabilities are of the inside only", async () => {
    const id = await started("--cap-add", "ALL", "--security-opt", "seccomp=unconfined");
    const inside = (script: string): Promise<string> =>
      engine()
        .gantry(["exec", id, "sh", "-c", script])
        .then(({ stdout, stderr }) => `${stdout}${stderr}`);
    expect(await inside("grep CapEff /proc/self/status")).not.toContain("0000000000000000");
    expect(await inside("mknod /n c 1 1")).toContain("Operation not permitted");
    expect(await inside("echo 1 > /proc/sys/kernel/panic")).toMatch(/Permission denied|Read-only/);
    expect(await inside("date -s 2000-01-01 >/dev/null")).toContain("Operation not permitted");
    // Its own mounts are its own, and what they cover is guarded by more than them.
    expect(await inside("umount /proc/sys; echo 1 > /proc/sys/kernel/panic")).toContain("Permission denied");
  });

  test("what only the host's root may read stays unread through a bind mount", async () => {
    const dir = join(engine().dir, "shared");
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, "secret"), "secret", { mode: 0o600 });
    writeFileSync(join(dir, "open"), "open\n", { mode: 0o644 });
    chmodSync(dir, 0o755);
    const flags = ["-v", `${dir}:/h`, "--cap-add", "ALL"];
    expect(await sh("cat /h/open; stat -c %u:%g /h/open", ...flags)).toBe("open\n65534:65534\n");
    expect(await sh("cat /h/secret", ...flags)).toContain("Permission denied");
    expect(await sh("echo x > /h/new", ...flags)).toContain("Permission denied");
    expect(await sh("chown 0 /h/secret", ...flags)).toContain("Operation not permitted");
    expect(await sh("cat /h/secret", ...flags, "--userns=host")).toBe("secret");
    expect(existsSync(join(dir, "new"))).toBe(false);
  });

  test("a container that shares another's network has no right over it that the other has not", async () => {
    const id = await started("--name", "owner", "--ipc", "shareable");
    const names = async (...flags: string[]): Promise<string> =>
      await engine().ok(["run", "--rm", ...flags, "busybox", "sh", "-c", NAMESPACES]);
    const own = await engine().ok(["exec", id, "sh", "-c", NAMESPACES]);
    expect(await names("--network", "container:owner")).toBe(own);
    expect(await names("--network", "container:owner", "--pid", "container:owner")).toBe(own);
    await engine().ok(["exec", id, "sh", "-c", "echo shared > /dev/shm/f"]);
    const memory = await engine().ok([
      "run",
      "--rm",
      "--ipc",
      "container:owner",
      "busybox",
      "sh",
      "-c",
      "cat /dev/shm/f; stat -c %u /dev/shm/f",
    ]);
    expect(memory).toBe("shared\n0");
    expect((await names("--network", "container:owner", "--userns=host")).split("\n")[1]).toBe(
      own.split("\n")[1],
    );
    await started("--name", "with-host-users", "--userns=host");
    const { stderr } = await engine().gantry([
      "run",
      "--rm",
      "--network",
      "container:with-host-users",
      "busybox",
      "true",
    ]);
    expect(stderr).toContain("containers that have different users");
  });

  test("other ids for the same user are those of the next start, with the files as they were", async () => {
    const script = "test -e /x || { touch /x; chown 1000:50 /x; }; stat -c %u:%g /x; cat /proc/self/uid_map";
    const id = await engine().ok(["create", ...NONE, "busybox", "sh", "-c", script]);
    const ids = `/proc/${engine().pid}/root/etc/subuid`;
    const before = readFileSync(ids, "utf8");
    expect(await engine().ok(["start", "-a", id])).toMatch(/^1000:50\n +0 +700000 +60000\n/);
    try {
      writeFileSync(ids, "remapped:500000:65536\n");
      await engine().restart();
      expect(await engine().ok(["start", "-a", id])).toMatch(/^1000:50\n +0 +500000 +65536$/);
    } finally {
      writeFileSync(`/proc/${engine().pid}/root/etc/subuid`, before);
      await engine().restart();
    }
  });

  test("containers outlive the daemon with their users", async () => {
    const id = await started();
    await engine().kill9();
    await engine().launch();
    expect(await engine().ok(["exec", id, "id", "-u"])).toBe("0");
    expect(hostIds(await inspect(id, "{{.State.Pid}}"))).toBe("700000 900000");
  });
});

engineSuite(
  "userns-remap=default",
  { flags: ["--userns-remap", "default"], host: `mount -t tmpfs tmpfs /opt; ${OWN_ETC}` },
  (engine) => {
    const inside = (current: Engine): Promise<string> =>
      current.ok(["run", "--rm", "--network", "none", "busybox", "cat", "/proc/self/uid_map"]);

    test("dockremap is made once, with ids of his own", async () => {
      const before = await inside(engine());
      expect(before.trim().split(/\s+/)).toEqual(["0", expect.stringMatching(/^[1-9]\d{5,}$/), "65536"]);
      await engine().restart();
      expect(await inside(engine())).toBe(before);
    });
  },
);

/** A file system whose mounts cannot have other owners. */
const FIXED_OWNERS = OWN_USER.replace("mount -t tmpfs tmpfs /opt", "mount -t ramfs ramfs /opt");

engineSuite(
  "userns-remap where the kernel cannot map layers",
  { flags: ["--userns-remap", "remapped", "--data-root", "/opt/data"], host: FIXED_OWNERS },
  (engine) => {
    const NONE = ["--network", "none"];
    const started = (...flags: string[]): Promise<string> =>
      engine().ok(["run", "-d", ...NONE, ...flags, "busybox", "sleep", "100"]);
    const inspect = (id: string, format: string): Promise<string> =>
      engine().ok(["inspect", "-f", format, id]);
    /** A path as the engine sees it. */
    const seen = (path: string): string => `/proc/${engine().pid}/root${path}`;

    test("containers stand on copies that belong to them", async () => {
      const id = await started();
      expect(hostIds(await inspect(id, "{{.State.Pid}}"))).toBe("700000 900000");
      expect(await engine().ok(["exec", id, "stat", "-c", "%u:%g", "/", "/bin/busybox", "/tmp"])).toBe(
        "0:0\n0:0\n0:0",
      );
      await engine().ok([
        "exec",
        id,
        "sh",
        "-c",
        "echo a > /a; chown 1000:50 /a; rm /etc/group; mkdir /home/user/d",
      ]);
      const upper = await inspect(id, "{{.GraphDriver.Data.UpperDir}}");
      expect([user(seen(upper)), user(seen(join(upper, "a")))]).toEqual(["700000:900000", "701000:900050"]);
      const lower = await inspect(id, "{{.GraphDriver.Data.LowerDir}}");
      expect(lower).toContain("/shifted/");
      expect(user(seen(join(lower, "bin/busybox")))).toBe("700000:900000");
    });

    test("volumes belong to the containers' users, and so does what the image gives them", async () => {
      const owners = (): string[] =>
        ["", "passwd"].map((name) => user(seen(join("/opt/data/volumes/vol/_data", name))));
      await engine().ok(["run", "--rm", ...NONE, "-v", "vol:/etc", "busybox", "touch", "/etc/passwd"]);
      expect(owners()).toEqual(["700000:900000", "700000:900000"]);
      await engine().ok(["volume", "rm", "vol"]);
      await engine().ok(["create", ...NONE, "--userns=host", "-v", "vol:/etc", "busybox", "true"]);
      expect(owners()).toEqual(["0:0", "0:0"]);
      await engine().ok(["rm", await engine().ok(["ps", "-aq"])]);
      await engine().ok(["create", ...NONE, "--name", "new", "-v", "new:/none", "busybox", "true"]);
      expect(user(seen("/opt/data/volumes/new/_data"))).toBe("700000:900000");
      await engine().ok(["rm", "new"]);
      await engine().ok(["volume", "rm", "vol", "new"]);
    });

    test("a container with the host's users has the image's own layers", async () => {
      const id = await started("--userns=host");
      expect(await inspect(id, "{{.GraphDriver.Data.LowerDir}}")).toContain("/layers/");
      expect(await engine().ok(["exec", id, "stat", "-c", "%u", "/bin/busybox"])).toBe("0");
    });

    test("copies are made once, survive the daemon, and go with the image", async () => {
      const shifted = (...path: string[]): string =>
        seen(join("/opt/data/snapshots/overlay2/shifted", ...path));
      const copies = (): string[] =>
        readdirSync(shifted()).flatMap((key) =>
          readdirSync(shifted(key)).map((name) => `${statSync(shifted(key, name, "diff")).ino}`),
        );
      const id = await engine().ok(["create", ...NONE, "busybox", "cat", "/proc/self/uid_map"]);
      const before = copies();
      expect(before).toHaveLength(1);
      await engine().kill9();
      await engine().launch();
      expect(await engine().ok(["start", "-a", id])).toContain("700000");
      await engine().ok(["run", "--rm", ...NONE, "busybox", "true"]);
      expect(copies()).toEqual(before);
      await engine().ok(["rm", id]);
      await engine().ok(["rmi", "busybox"]);
      expect(copies()).toEqual([]);
      await engine().ok(["load", "-q", "-i", await busyboxArchive()]);
    });
  },
);
