import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { once } from "node:events";
import { type Socket, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { failureOf } from "../../test/support/failure.ts";
import { builtNative, NATIVE_PATHS } from "../../test/support/native.ts";
import { describeWith } from "../../test/support/requires.ts";
import { until } from "../../test/support/until.ts";
import { descriptorOf } from "../base/socket-descriptor.ts";
import { loadNative } from "./native-addon.ts";

const NEVER = new AbortController().signal;

let work: string;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "gantry-addon-"));
});

afterEach(() => {
  // Not fs.rmSync: it gives up on paths longer than the kernel takes.
  spawnSync("rm", ["-rf", work]);
});

describeWith("the addon", ["native"], () => {
  test("that is missing or another one is said so", async () => {
    const missing = await failureOf(() => loadNative({ ...NATIVE_PATHS, addon: join(work, "none.node") }));
    expect(missing).toMatchObject({ category: "internal", message: expect.stringContaining("none.node") });
    const relative = await failureOf(() => loadNative({ ...NATIVE_PATHS, addon: "gantry.node" }));
    expect(relative).toMatchObject({ category: "invalid_argument" });
  });

  test("sealedExecutable() gives an executable copy that nothing can change", () => {
    const native = builtNative();
    const fd = native.sealedExecutable("/bin/true");
    try {
      expect(fstatSync(fd).size).toBe(statSync("/bin/true").size);
      expect(() => writeSync(fd, "x")).toThrow(/EPERM/); // would grow
      expect(() => writeSync(fd, "x", 0)).toThrow(/EPERM/);
      expect(() => ftruncateSync(fd, 0)).toThrow(/EPERM/);
      expect(spawnSync(`/proc/self/fd/${fd}`).status).toBe(0);
      expect(spawnSync("sh", ["-c", `: >/proc/self/fd/${fd}`]).status).not.toBe(0); // close-on-exec
    } finally {
      native.closeFd(fd);
    }
    expect(() => fstatSync(fd)).toThrow(/EBADF/);
  });

  test("sealedExecutable() refuses what is no file", async () => {
    const native = builtNative();
    expect(await failureOf(() => native.sealedExecutable(join(work, "none")))).toMatchObject({
      code: "ENOENT",
      errno: -2,
      syscall: "open",
      path: join(work, "none"),
      message: `ENOENT: no such file or directory, open '${join(work, "none")}'`,
    });
    expect(await failureOf(() => native.sealedExecutable(work))).toMatchObject({ code: "ENOEXEC" });
    spawnSync("mkfifo", [join(work, "fifo")]);
    expect(await failureOf(() => native.sealedExecutable(join(work, "fifo")))).toMatchObject({
      code: "ENOEXEC",
    });
  });

  test("lockFile() lets one in, and the next when the first has left", () => {
    const native = builtNative();
    const path = join(work, "lock");
    const first = native.lockFile(path);
    expect(first).toBeNumber();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(native.lockFile(path)).toBeUndefined();
    if (first !== undefined) native.closeFd(first);
    const second = native.lockFile(path);
    expect(second).toBeNumber();
    if (second !== undefined) native.closeFd(second);
  });

  test("lockFile() is not led astray by a link", async () => {
    symlinkSync(join(work, "target"), join(work, "lock"));
    expect(await failureOf(() => builtNative().lockFile(join(work, "lock")))).toMatchObject({
      code: "ELOOP",
    });
    expect(existsSync(join(work, "target"))).toBe(false);
  });

  test("pidfdSignal() reaches its process, and says ESRCH when that is gone", async () => {
    const native = builtNative();
    const child = spawn("sleep", ["1000"]);
    const ended = new Promise<NodeJS.Signals | null>((resolve) => {
      child.once("exit", (_, signal) => resolve(signal));
    });
    const pidfd = native.pidfdOpen(child.pid ?? 0);
    native.pidfdSignal(pidfd, 0);
    expect(native.pidfdHasEnded(pidfd)).toBe(false);
    native.pidfdSignal(pidfd, 15);
    expect(await ended).toBe("SIGTERM");
    expect(native.pidfdHasEnded(pidfd)).toBe(true);
    expect(await failureOf(() => native.pidfdSignal(pidfd, 0))).toMatchObject({
      code: "ESRCH",
      errno: -3,
      syscall: "pidfd_send_signal",
    });
    native.closeFd(pidfd);
    expect(await failureOf(() => native.pidfdOpen(child.pid ?? 0))).toMatchObject({ code: "ESRCH" });
  });

  test("pidfdHasEnded() is true of what nobody has taken care of, which signals still reach", async () => {
    const native = builtNative();
    // The second program does not wait for what the shell has left it.
    const parent = spawn("sh", ["-c", "sleep 1000 & echo $!; exec sleep 1000"]);
    const pid = await new Promise<number>((resolve) => {
      parent.stdout.once("data", (line: Buffer) => resolve(Number(line.toString())));
    });
    await until("the second program", () => readFileSync(`/proc/${parent.pid}/comm`, "utf8") === "sleep\n");
    const pidfd = native.pidfdOpen(pid);
    expect(native.pidfdHasEnded(pidfd)).toBe(false);
    native.pidfdSignal(pidfd, 9);
    await until("its end", () => native.pidfdHasEnded(pidfd));
    native.pidfdSignal(pidfd, 0);
    native.closeFd(pidfd);
    parent.kill();
  });

  test("checks numbers and paths before the kernel sees them", async () => {
    const native = builtNative();
    const bad: readonly (() => unknown)[] = [
      () => native.pidfdOpen(0),
      () => native.pidfdOpen(1.5),
      () => native.pidfdOpen(2 ** 31),
      () => native.pidfdSignal(2, 0),
      () => native.pidfdHasEnded(2),
      () => native.pidfdSignal(3, 65),
      () => native.pidfdSignal(3, -1),
      () => native.closeFd(2),
      () => native.closeFd(Number.NaN),
      () => native.removeTree("relative"),
      () => native.removeTree(`${work}/a\0b`),
      () => native.treeUsage("", NEVER),
      () => native.syncFilesystem("."),
      () => native.lockFile("lock"),
    ];
    for (const act of bad)
      expect(await failureOf(act), act.toString()).toMatchObject({ category: "invalid_argument" });
  });

  test("spreadChildren() sets the flag where there is one, again and again", async () => {
    const flagged = builtNative().spreadChildren(work);
    expect(builtNative().spreadChildren(work)).toBe(flagged);
    const { status, stdout } = spawnSync("lsattr", ["-d", work], { encoding: "utf8" });
    if (status === 0) expect(stdout.split(" ")[0]?.includes("T") ?? false).toBe(flagged);
    expect(await failureOf(() => builtNative().spreadChildren(join(work, "none")))).toMatchObject({
      code: "ENOENT",
    });
  });

  test("no file system takes a limit that says that it enforces none, and 0 is no project", async () => {
    const native = builtNative();
    if (!native.enforcesProjectLimits(work)) {
      const limit = () => native.limitProject(work, 1, 1);
      expect(await failureOf(limit)).toMatchObject({ syscall: "quotactl_fd", path: work });
    }
    expect(native.enforcesProjectLimits("/proc")).toBe(false);
    expect(await failureOf(() => native.projectOf("/proc"))).toMatchObject({ code: "ENOTTY" });
    for (const act of [
      () => native.joinProject(work, 0),
      () => native.limitProject(work, 0, 1),
      () => native.limitProject(work, 1, -1),
      () => native.projectInodes(work, 2 ** 31),
    ])
      expect(await failureOf(act), act.toString()).toMatchObject({ category: "invalid_argument" });
    const nowhere = join(work, "none");
    for (const act of [() => native.projectOf(nowhere), () => native.enforcesProjectLimits(nowhere)])
      expect(await failureOf(act)).toMatchObject({ code: "ENOENT", path: nowhere });
  });

  test("startWriteback() takes any part of any open file, and no nonsense", async () => {
    const native = builtNative();
    const fd = native.memfd("test", Buffer.alloc(10));
    await native.startWriteback(fd, 0, 0);
    await native.startWriteback(fd, 5, 100);
    expect(await failureOf(() => native.startWriteback(fd, -1, 0))).toMatchObject({
      category: "invalid_argument",
    });
    native.closeFd(fd);
  });

  test("syncFilesystem() syncs, and names what is missing", async () => {
    await builtNative().syncFilesystem(work);
    expect(await failureOf(() => builtNative().syncFilesystem(join(work, "none")))).toMatchObject({
      code: "ENOENT",
      syscall: "syncfs",
    });
  });
});

describeWith("becoming another program", ["native"], () => {
  /** What a program of this process's kind says that has `script` as its body, and `native`. */
  function runScript(script: string): { status: number | null; stdout: string; stderr: string } {
    const body = `
      import { loadNative } from ${JSON.stringify(join(import.meta.dirname, "native-addon.ts"))};
      import { openSync } from "node:fs";
      const native = loadNative(${JSON.stringify(NATIVE_PATHS)});
      const busybox = native.sealedExecutable("/bin/busybox");
      ${script}`;
    return spawnSync(process.execPath, ["-e", body], { encoding: "utf8" });
  }

  test.if(existsSync("/bin/busybox"))(
    "replaceProcess() keeps pid, standard streams and listed descriptors",
    () => {
      const done = runScript(`
      const kept = native.memfd("kept", new TextEncoder().encode("hello"));
      const lost = openSync("/dev/zero", "r");
      process.on("SIGUSR1", () => {});
      console.log(process.pid);
      native.replaceProcess({
        executable: busybox,
        argv: ["sh", "-c", 'echo $$ $0 $A; cat <&'+kept+'; echo; ls /proc/$$/fd; true', "x y"],
        env: ["A=b=c", "PATH=/bin"],
        keep: [kept],
      });`);
      expect(done.stderr).toBe("");
      const [pid, self, text, ...rest] = done.stdout.trim().split("\n");
      expect(self).toBe(`${pid} x y b=c`);
      expect(text).toBe("hello");
      // Besides the three streams only the kept one.
      expect(rest.filter((line) => /^\d+$/.test(line))).toHaveLength(4);
    },
  );

  test.if(existsSync("/bin/busybox"))("replaceProcess() leaves no signal blocked or ignored", () => {
    const done = runScript(`
      native.replaceProcess({
        executable: busybox,
        argv: ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"],
        env: [],
        keep: [],
      });`);
    expect(done.stderr).toBe("");
    expect(done.stdout.replaceAll(/\s+/g, " ")).toBe("SigBlk: 0000000000000000 SigIgn: 0000000000000000 ");
  });

  test.if(existsSync("/bin/busybox"))("replaceProcess() that fails leaves the program running", () => {
    const done = runScript(`
      for (const [what, change] of Object.entries({ executable: { executable: 999 }, keep: { keep: [998] } }))
        try {
          native.replaceProcess({ executable: busybox, argv: ["true"], env: [], keep: [], ...change });
        } catch (error) {
          console.log(what, error.code, error.syscall);
        }`);
    expect(done).toMatchObject({
      status: 0,
      stderr: "",
      stdout: "executable EBADF execveat\nkeep EBADF fcntl\n",
    });
  });

  test("sendDescriptors() hands them to the peer, which peerCredentials() names", async () => {
    const native = builtNative();
    const path = join(work, "peer.sock");
    const accepted = Promise.withResolvers<Socket>();
    const server = createServer((socket) => accepted.resolve(socket));
    await new Promise<void>((resolve) => {
      server.listen(path, resolve);
    });
    const client = connect(path);
    const received = new Promise<Buffer>((resolve) => client.once("data", resolve));
    const socket = await accepted.promise;
    const fd = descriptorOf(socket) ?? -1;
    expect(native.peerCredentials(fd)).toEqual({ pid: process.pid, uid: process.getuid?.() ?? -1 });
    const memory = native.memfd("sent", new Uint8Array([1]));
    native.sendDescriptors(fd, new TextEncoder().encode("hello"), [memory]);
    expect((await received).toString()).toBe("hello");
    const full = () => {
      for (;;) native.sendDescriptors(fd, new Uint8Array(65536), []);
    };
    client.pause();
    expect(await failureOf(full)).toMatchObject({ code: "EAGAIN" });
    expect(await failureOf(() => native.sendDescriptors(fd, new Uint8Array(1), [998]))).toMatchObject({
      code: "EBADF",
    });
    expect(await failureOf(() => native.peerCredentials(memory))).toMatchObject({ code: "ENOTSOCK" });
    native.closeFd(memory);
    client.destroy();
    socket.destroy();
    server.close();
  });

  test("unsentBytes() tells what the other side has not read", async () => {
    const native = builtNative();
    const path = join(work, "deaf.sock");
    const server = createServer({ pauseOnConnect: true }).listen(path);
    await once(server, "listening");
    const client = connect({ path });
    await once(client, "connect");
    const fd = descriptorOf(client) ?? -1;
    expect(native.unsentBytes(fd)).toBe(0);
    const { promise, resolve } = Promise.withResolvers<void>();
    client.write(Buffer.alloc(1000), () => resolve());
    await promise;
    expect(native.unsentBytes(fd)).toBeGreaterThanOrEqual(1000);
    expect(await failureOf(() => native.unsentBytes(997))).toMatchObject({ code: "EBADF" });
    client.destroy();
    server.close();
  });

  test("connectUnixDatagram() needs somebody at the other end", async () => {
    const native = builtNative();
    expect(await failureOf(() => native.connectUnixDatagram(join(work, "nobody")))).toMatchObject({
      code: "ENOENT",
    });
    expect(await failureOf(() => native.connectUnixDatagram("/".padEnd(200, "x")))).toMatchObject({
      code: "ENAMETOOLONG",
    });
  });

  test("connectUnixDatagram() finds an abstract name", async () => {
    const native = builtNative();
    const name = `gantry-test-${process.pid}`;
    expect(await failureOf(() => native.connectUnixDatagram(`@${name}`))).toMatchObject({
      code: "ECONNREFUSED",
    });
    const script = `socket(S, AF_UNIX, SOCK_DGRAM, 0); bind(S, pack_sockaddr_un("\\0${name}")) or die $!;
      $| = 1; print "here\\n"; recv(S, $heard, 100, 0); print $heard`;
    const manager = spawn("perl", ["-MSocket", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    expect(String((await once(manager.stdout, "data"))[0])).toBe("here\n");
    const heard = once(manager.stdout, "data");
    const fd = native.connectUnixDatagram(`@${name}`);
    native.sendDescriptors(fd, Buffer.from("READY=1"), []);
    native.closeFd(fd);
    expect(String((await heard)[0])).toBe("READY=1");
  });

  test("memfd() holds the bytes, sealed", () => {
    const native = builtNative();
    const bytes = new Uint8Array(300_000).map((_, index) => index % 251);
    const fd = native.memfd("plan", bytes);
    try {
      expect(new Uint8Array(readFileSync(fd))).toEqual(bytes);
      expect(() => writeSync(fd, "x", 0)).toThrow("EPERM");
      expect(() => ftruncateSync(fd, 1)).toThrow("EPERM");
    } finally {
      native.closeFd(fd);
    }
  });

  test("strings that C could not hold are refused", async () => {
    const native = builtNative();
    expect(await failureOf(() => native.memfd("a\0b", new Uint8Array()))).toMatchObject({ code: "EINVAL" });
    const fd = native.memfd("x", new Uint8Array());
    const refused = () => native.replaceProcess({ executable: fd, argv: ["a\0b"], env: [], keep: [] });
    expect(await failureOf(refused)).toMatchObject({ code: "EINVAL" });
    native.closeFd(fd);
  });
});

describeWith("netlink and namespaces", ["root", "native"], () => {
  /** Runs `script` where only it is, and gives the process that keeps the namespace. */
  async function withNamespace<T>(work: (fd: number) => Promise<T>): Promise<T> {
    const child = spawn("unshare", ["--net", "sh", "-c", "echo ready; exec cat"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    const fd = openSync(`/proc/${child.pid}/ns/net`, "r");
    try {
      return await work(fd);
    } finally {
      closeSync(fd);
      child.kill("SIGKILL");
    }
  }

  /** RTM_GETLINK of all links, and an order to delete link 12345: header, then struct ifinfomsg. */
  function message(type: number, flags: number, sequence: number, index: number): Buffer {
    const bytes = Buffer.alloc(32);
    bytes.writeUInt32LE(bytes.length, 0);
    bytes.writeUInt16LE(type, 4);
    bytes.writeUInt16LE(flags, 6);
    bytes.writeUInt32LE(sequence, 8);
    bytes.writeInt32LE(index, 20);
    return bytes;
  }
  const [RTM_DELLINK, RTM_GETLINK, REQUEST, ACK, DUMP] = [17, 18, 1, 4, 0x300];

  test("netlink() hands a batch over in the namespace, and brings all answers", async () => {
    const batch = Buffer.concat([
      message(RTM_DELLINK, REQUEST | ACK, 7, 12_345),
      message(RTM_GETLINK, REQUEST | DUMP, 8, 0),
    ]);
    const [there, here] = [
      Buffer.from(await withNamespace((fd) => builtNative().netlink(0, fd, batch))),
      Buffer.from(await builtNative().netlink(0, undefined, batch)),
    ];
    // The refusal first: NLMSG_ERROR, sequence, -ENODEV. Then a namespace that has but one link.
    expect([there.readUInt16LE(4), there.readUInt32LE(8), there.readInt32LE(16)]).toEqual([2, 7, -19]);
    expect(there.length).toBeLessThan(here.length + 1);
    expect(there.includes("lo\0")).toBe(true);
    expect(here.includes("lo\0")).toBe(true);
  });

  test("boundSocket() is where it should be; another cannot be there", async () => {
    const native = builtNative();
    const loopback = Uint8Array.from([127, 0, 0, 11]);
    await withNamespace(async (fd) => {
      const wish = { type: "udp", address: loopback, port: 53 } as const;
      // There is no loopback interface up in it, but that is no matter of bind(2).
      const first = await native.boundSocket(fd, { ...wish, freeBind: true });
      expect(await failureOf(() => native.boundSocket(fd, { ...wish, freeBind: true }))).toMatchObject({
        code: "EADDRINUSE",
        syscall: "bind",
      });
      const six = await native.boundSocket(fd, {
        type: "tcp",
        address: new Uint8Array(16),
        port: 0,
        listen: true,
      });
      expect(readFileSync(`/proc/self/fdinfo/${six}`, "utf8")).toContain("flags");
      native.closeFd(first);
      native.closeFd(six);
    });
    expect(
      await failureOf(() => native.boundSocket(0, { type: "udp", address: loopback, port: 0 })),
    ).toMatchObject({
      category: "invalid_argument",
    });
  });

  test("writeNetSettings() changes that namespace alone, and names what is missing", async () => {
    const native = builtNative();
    const name = "net/ipv4/ip_default_ttl";
    const before = readFileSync(`/proc/sys/${name}`, "utf8");
    await withNamespace(async (fd) => {
      await native.writeNetSettings(fd, [[name, "77"]]);
      await native.writeNetSettings(fd, []);
      expect(await failureOf(() => native.writeNetSettings(fd, [["net/ipv4/none", "1"]]))).toMatchObject({
        code: "ENOENT",
      });
    });
    expect(readFileSync(`/proc/sys/${name}`, "utf8")).toBe(before);
    for (const bad of ["kernel/hostname", "net/../kernel/hostname", "/proc/sys/net/x", "net/ipv4/a\0b"])
      expect(await failureOf(() => native.writeNetSettings(undefined, [[bad, "1"]])), bad).toMatchObject({
        category: "invalid_argument",
      });
  });
});
