/** Files that are copied out of containers and into them: `cp` and /containers/{id}/archive. */
import { execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { expect, test } from "bun:test";
import type { Answer, Engine } from "../support/engine.ts";
import { hostileImage } from "../support/hostile-image.ts";
import { must } from "../support/run.ts";
import { engineSuite } from "../support/suite.ts";
import { TarBuilder } from "../support/tar-builder.ts";
import { until } from "../support/until.ts";
import { Victim } from "../support/victim.ts";

/** The children that unpack or pack something at this moment. */
function treeChildren(engine: Engine): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return words[1] === "tree" && words.some((word) => word.includes(engine.dir) || word === "process");
    } catch {
      return false; // it ended meanwhile
    }
  });
}

engineSuite("cp", {}, (engine) => {
  const NONE = ["--network", "none"];
  let count = 0;

  /** A new directory of the host's. */
  const directory = (): string => mkdtempSync(join(engine().dir, `cp${count++}-`));
  const started = (...flags: string[]): Promise<string> =>
    engine().ok(["run", "-d", ...NONE, ...flags, "busybox", "sleep", "1000"]);
  const sh = (id: string, script: string): Promise<string> => engine().ok(["exec", id, "sh", "-c", script]);
  const cp = (...words: string[]): Promise<string> => engine().ok(["cp", ...words]);
  const refusal = async (...words: string[]): Promise<string> => {
    const { code, stderr } = await engine().gantry(["cp", ...words]);
    expect(code).toBe(1);
    return stderr.trim();
  };

  /** A PUT of bytes that are no JSON. */
  const put = (id: string, query: string, body: Uint8Array): Promise<Answer> => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const path = `/containers/${id}/archive?${query}`;
    const call = request({ socketPath: engine().socket, method: "PUT", path, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    call.on("error", reject);
    call.end(body);
    return promise;
  };

  test("files go in and out of a container that was created, runs, is paused and has stopped", async () => {
    const here = directory();
    const volume = directory();
    writeFileSync(join(here, "f"), "one");
    const create = ["create", ...NONE, "-v", `${volume}:/data`, "--tmpfs", "/scratch"];
    const id = await engine().ok([...create, "busybox", "sleep", "1000"]);
    await cp(join(here, "f"), `${id}:/data/created`);
    await cp(join(here, "f"), `${id}:/root/created`);
    expect(readFileSync(join(volume, "created"), "utf8")).toBe("one");

    await engine().ok(["start", id]);
    expect(await sh(id, "cat /data/created /root/created; echo t > /scratch/t")).toBe("oneone");
    await cp(`${id}:/scratch/t`, here);
    expect(readFileSync(join(here, "t"), "utf8")).toBe("t\n");
    await cp(join(here, "f"), `${id}:/scratch/in`);
    expect(await sh(id, "cat /scratch/in")).toBe("one");

    await engine().ok(["pause", id]);
    await cp(join(here, "f"), `${id}:/root/paused`);
    await cp(`${id}:/root/paused`, join(here, "paused"));
    await engine().ok(["unpause", id]);
    expect(readFileSync(join(here, "paused"), "utf8")).toBe("one");

    await engine().ok(["stop", "-t", "0", id]);
    await cp(join(here, "f"), `${id}:/root/stopped`);
    await cp(`${id}:/data`, here);
    expect(readdirSync(join(here, "data"))).toEqual(["created"]);
    await engine().ok(["start", id]);
    expect(await sh(id, "cat /root/paused /root/stopped")).toBe("oneone");
  });

  test("volumes are there, whole or in part, whether the container runs or not", async () => {
    const here = directory();
    writeFileSync(join(here, "f"), "one");
    await engine().ok(["volume", "create", "vol"]);
    const seed = [
      "run",
      "--rm",
      ...NONE,
      "-v",
      "vol:/v",
      "busybox",
      "sh",
      "-c",
      "mkdir /v/part; echo in > /v/part/f",
    ];
    await engine().ok(seed);
    const part = "type=volume,src=vol,dst=/part,volume-subpath=part";
    const create = ["create", ...NONE, "-v", "vol:/whole", "--mount", part, "busybox", "sleep", "1000"];
    const id = await engine().ok(create);
    const check = async (name: string): Promise<void> => {
      await cp(join(here, "f"), `${id}:/whole/part/${name}`);
      await cp(`${id}:/part/${name}`, join(here, name));
      expect(readFileSync(join(here, name), "utf8")).toBe("one");
    };
    await check("created");
    await engine().ok(["start", id]);
    await check("running");
    await engine().ok(["rm", "-f", id]);
    await engine().ok(["volume", "rm", "vol"]);
  });

  test("the stock client sees what it is used to", async () => {
    const here = directory();
    mkdirSync(join(here, "d", "sub"), { recursive: true });
    writeFileSync(join(here, "d", "sub", "f"), "x");
    const id = await started();
    for (const words of [
      ["cp", join(here, "d"), `${id}:/new`],
      ["cp", `${id}:/new/.`, join(here, "content")],
      ["cp", "-L", `${id}:/new/sub`, join(here, "sub")],
    ])
      expect((await engine().docker(words)).code).toBe(0);
    expect(readFileSync(join(here, "content", "sub", "f"), "utf8")).toBe("x");
    expect(readdirSync(join(here, "sub"))).toEqual(["f"]);
    const { stderr } = await engine().docker(["cp", `${id}:/none`, here]);
    expect(stderr).toContain(`Could not find the file /none in container ${id}`);
  });

  test("what is read-only stays as it is", async () => {
    const here = directory();
    const volume = directory();
    writeFileSync(join(here, "f"), "x");
    const id = await started("--read-only", "-v", `${volume}:/ro:ro`, "-v", `${volume}:/rw`);
    const check = async (): Promise<void> => {
      expect(await refusal(join(here, "f"), `${id}:/root`)).toContain("container rootfs is marked read-only");
      expect(await refusal(join(here, "f"), `${id}:/ro`)).toContain("mounted volume is marked read-only");
      await cp(join(here, "f"), `${id}:/rw`);
    };
    await check();
    expect((await put(id, "path=/root", new TarBuilder().file("f", "x").end())).status).toBe(403);
    await engine().ok(["stop", "-t", "0", id]);
    await check();
    expect(readdirSync(volume)).toEqual(["f"]);
  });

  test("archives go through standard input and output, with owners, links, devices and holes", async () => {
    const id = await started();
    await sh(id, "mkdir /d; echo x > /d/f; ln /d/f /d/hard; ln -s f /d/soft; mkfifo /d/fifo; chown 5:6 /d/f");
    const { stdout } = await engine().gantry(["cp", `${id}:/d`, "-"]);
    const tar = Buffer.from(stdout, "latin1");
    await engine().ok(["cp", "-", `${id}:/tmp`], { input: tar });
    expect(await sh(id, "cd /tmp/d; stat -c '%n %F %u:%g %h' f hard soft fifo; readlink soft")).toBe(
      [
        "f regular file 5:6 2",
        "hard regular file 5:6 2",
        "soft symbolic link 0:0 1",
        "fifo fifo 0:0 1",
        "f",
      ].join("\n"),
    );
    expect(await refusal("-", `${id}:/tmp/d/f`)).toContain("must be a directory");
  });

  test("compressed archives are known by their first bytes, and nothing in the container unpacks them", async () => {
    const names = ["gzip", "unpigz", "xz", "zstd", "bzip2", "tar"];
    await hostileImage(engine(), "helpers", (tree) => {
      mkdirSync(join(tree, "usr", "bin"), { recursive: true });
      for (const name of names)
        writeFileSync(join(tree, "usr", "bin", name), "#!/bin/sh\necho ran > /pwned\ncat\n", { mode: 0o755 });
    });
    const id = await engine().ok(["run", "-d", ...NONE, "helpers", "sleep", "1000"]);
    const tar = new TarBuilder().file("f", "unpacked").end();
    for (const body of [gzipSync(tar), zstdCompressSync(tar), tar]) {
      expect((await put(id, "path=/", body)).status).toBe(200);
      expect(await sh(id, "cat /f; echo > /f; ls /")).not.toContain("pwned");
    }
    for (const program of ["bzip2", "xz"]) {
      const body = execFileSync(program, ["-c"], { input: tar });
      expect((await put(id, "path=/", body)).status).toBe(200);
      expect(await sh(id, "cat /f; rm /f")).toContain("unpacked");
      expect((await put(id, "path=/", body.subarray(0, 20))).body).toContain("unexpected EOF");
    }
    expect((await put(id, "path=/", gzipSync(tar).subarray(0, 40))).body).toContain("unexpected EOF");
  });

  test("several sources and patterns go into a directory", async () => {
    const here = directory();
    const id = await started();
    await sh(id, "mkdir /logs; touch /logs/a.txt /logs/b.txt /logs/c.log; ln -s / /logs/up.txt");
    await cp(`${id}:/logs/*.txt`, `${id}:/logs/c.log`, here);
    expect(readdirSync(here).toSorted()).toEqual(["a.txt", "b.txt", "c.log", "up.txt"]);
    expect(readlinkSync(join(here, "up.txt"))).toBe("/");
    await cp(join(here, "a.txt"), join(here, "b.txt"), `${id}:/root`);
    expect(await sh(id, "ls /root")).toBe("a.txt\nb.txt");
    expect(await refusal(`${id}:/logs/*.none`, here)).toContain('matches "/logs/*.none"');
    expect(await refusal(`${id}:/logs/a.txt`, `${id}:/logs/b.txt`, join(here, "c.log"))).toContain(
      "is not a directory",
    );
    expect(await refusal(`${id}:/logs`, here, here)).toContain("the sources must be in one place");
  });

  test("links of the container lead nowhere but inside, even while they are exchanged", async () => {
    const victim = new Victim(join(engine().dir, "victim"));
    const here = directory();
    writeFileSync(join(here, "new"), "from outside");
    const id = await started("-v", `${directory()}:/d/vol`);
    await sh(id, `mkdir -p /d/x ${victim.dir}; echo inside > /d/x/file; echo inside > ${victim.dir}/file`);
    await sh(id, `ln -s /d /abs; ln -s ../../../../../../../../../../d /rel`);
    // The twins: links that stay inside are followed.
    expect(await (async () => (await engine().gantry(["cp", `${id}:/abs/x/file`, "-"])).stdout)()).toContain(
      "inside",
    );
    await cp(join(here, "new"), `${id}:/rel/x/`);
    expect(await sh(id, "cat /d/x/new")).toBe("from outside");

    const swap = `while :; do mv /d/x /d/y; ln -s ${victim.dir} /d/x; rm /d/x; ln -s ../../../../../../../..${victim.dir} /d/x; rm /d/x; mv /d/y /d/x; done`;
    await engine().ok(["exec", "-d", id, "sh", "-c", swap]);
    const seen: string[] = [];
    const round = async (): Promise<void> => {
      const from = await engine().gantry(["cp", `${id}:/d/x/file`, "-"]);
      const tree = await engine().api("GET", `/containers/${id}/archive?path=/d`);
      const stat = await engine().api("HEAD", `/containers/${id}/archive?path=/d/x/file`);
      const to = await put(id, "path=/d/x", new TarBuilder().file("file", "in").file("new", "x").end());
      seen.push(from.stdout, tree.body, to.body, JSON.stringify(stat.headers));
    };
    for (let i = 0; i < 60; i++) await round();
    await engine().ok(["pause", id]);
    for (let i = 0; i < 10; i++) await round();
    await engine().ok(["unpause", id]);
    await engine().ok(["stop", "-t", "0", id]);
    await engine()
      .ok(["cp", join(here, "new"), `${id}:/d/x`])
      .catch(() => {}); // whatever the link says now
    for (let i = 0; i < 10; i++) await round();
    expect(seen.join("\n")).not.toContain(victim.secret);
    victim.expectUntouched("after copies through links that were exchanged");
  }, 60_000);

  test("a file out of a container is whole, or not there", async () => {
    const here = directory();
    writeFileSync(join(here, "big"), "old");
    const id = await started();
    await sh(id, "dd if=/dev/zero of=/big bs=1M count=300 2>/dev/null");
    const words = ["--host", engine().host, "cp", "-q", `${id}:/big`, join(here, "big")];
    const child = spawn(join(import.meta.dirname, "..", "..", "build", "gantry"), words, {
      stdio: "ignore",
      detached: true,
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    await until("the copy to have begun", () =>
      readdirSync(here).some((name) => name.startsWith(".gantry-cp")),
    );
    process.kill(-(child.pid ?? 0), "SIGINT"); // as a terminal does: all of the group
    await ended;
    await until("the other half to be gone", () => readdirSync(here).length === 1);
    expect(readFileSync(join(here, "big"), "utf8")).toBe("old");
    expect(lstatSync(join(here, "big")).size).toBe(3);
  });

  test("a daemon that dies in the middle leaves no process and no mount, and the next one goes on", async () => {
    const id = await started();
    const stopped = await engine().ok(["create", ...NONE, "busybox", "true"]);
    const open = [id, stopped].map((name) => {
      const path = `/containers/${name}/archive?path=/root`;
      const call = request({ socketPath: engine().socket, method: "PUT", path, agent: false });
      call.on("error", () => {}); // its daemon is killed
      call.write(
        new TarBuilder()
          .file("whole", "x")
          .file("half", Buffer.alloc(1 << 20))
          .unended()
          .subarray(0, 1 << 19),
      );
      return call;
    });
    await until("both to unpack", () => treeChildren(engine()).length === 2);
    await until("the first file", async () => (await sh(id, "ls /root")).split("\n").includes("whole"));
    await engine().kill9();
    await until("the children to end", () => treeChildren(engine()).length === 0);
    for (const call of open) call.destroy();
    await engine().launch();
    expect(await sh(id, "cat /root/whole")).toBe("x");
    await engine().ok(["start", stopped]);
    expect(existsSync(engine().socket)).toBe(true);
  });

  test("a start waits for who writes to the container, and its end stops him", async () => {
    const id = await started();
    const path = `/containers/${id}/archive?path=/root`;
    const call = request({ socketPath: engine().socket, method: "PUT", path, agent: false });
    const answered = new Promise<number>((resolve, reject) => {
      call.on("response", (response) => resolve(response.resume().statusCode ?? 0));
      call.on("error", reject);
    });
    call.write(
      new TarBuilder()
        .file("f", Buffer.alloc(1 << 20))
        .unended()
        .subarray(0, 4096),
    );
    await until("it to unpack", () => treeChildren(engine()).length === 1);
    await engine().ok(["restart", "-t", "0", id]);
    expect(await answered).toBe(409);
    call.destroy();
    expect(treeChildren(engine())).toEqual([]);
  });

  test("an archive cannot leave the directory that it is copied to", async () => {
    const here = directory();
    const outside = directory();
    const id = await started();
    symlinkSync(outside, join(here, "out"));
    await sh(id, `mkdir -p /s/out; echo x > /s/out/f; ln -s ${outside} /s/link`);
    expect(await refusal(`${id}:/s/.`, here)).toContain("cannot overwrite non-directory");
    expect(readdirSync(outside)).toEqual([]);
    await cp(`${id}:/s`, join(here, "twin"));
    expect(readlinkSync(join(here, "twin", "link"))).toBe(outside);
  });
});

/** A user and his ids that only the engine sees. */
const OWN_USER =
  "mount -t tmpfs tmpfs /opt; mkdir /opt/etc; cp -a /etc/. /opt/etc/; mount --bind /opt/etc /etc; printf 'remapped:x:4711:4711::/:/bin/false\\n' >> /etc/passwd; printf 'remapped:x:4711:\\n' >> /etc/group; printf 'remapped:700000:65536\\n' > /etc/subuid; printf 'remapped:900000:65536\\n' > /etc/subgid";

engineSuite("cp with userns-remap", { flags: ["--userns-remap", "remapped"], host: OWN_USER }, (engine) => {
  test("owners in archives are the container's, whether it runs or not", async () => {
    const id = await engine().ok(["run", "-d", "--network", "none", "busybox", "sleep", "1000"]);
    const archive = new TarBuilder().file("f", "x", { uid: 5, gid: 6 }).end();
    const owners = async (): Promise<string> => {
      const { stdout } = await engine().gantry(["cp", `${id}:/new`, "-"]);
      return (await must(["tar", "--numeric-owner", "-tvf", "-"], { input: Buffer.from(stdout, "latin1") }))
        .split("\n")
        .map((line) => line.split(/\s+/)[1])
        .join(" ")
        .trim();
    };
    await engine().ok(["exec", id, "mkdir", "/new"]);
    await engine().ok(["cp", "-", `${id}:/new`], { input: archive });
    const inside = ["exec", id, "stat", "-c", "%u:%g", "/new", "/new/f"];
    expect(await engine().ok(inside)).toBe("0:0\n5:6");
    expect(await owners()).toBe("0/0 5/6");
    await engine().ok(["stop", "-t", "0", id]);
    expect(await owners()).toBe("0/0 5/6");
    await engine().ok(["cp", "-", `${id}:/new`], { input: archive });
    await engine().ok(["start", id]);
    expect(await engine().ok(inside)).toBe("0:0\n5:6");
  });
});
