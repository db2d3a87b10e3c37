/** Volumes as only a kernel shows them: what is in them, who owns it, what is mounted where and what a crash leaves. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { hostileImage } from "../support/hostile-image.ts";
import { must } from "../support/run.ts";
import { engineSuite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const NONE = ["--network", "none"];

const ownerOf = (path: string): string => {
  const { uid, gid, mode } = statSync(path);
  return `${uid}:${gid} ${(mode & 0o7777).toString(8)}`;
};

engineSuite("volumes", {}, (engine) => {
  const ok = (...args: string[]) => engine().ok(args);
  const run = (...args: string[]) => engine().gantry(["run", "--rm", ...NONE, ...args]);
  const dataOf = (name: string): string => join(engine().dir, "data", "volumes", name, "_data");
  const mountsAt = async (path: string): Promise<number> => {
    const text = await must(await engine().inHost(["cat", "/proc/self/mountinfo"]));
    return text.split("\n").filter((line) => line.includes(` ${path} `)).length;
  };

  test("a new volume has what the image has there; one with content keeps its own", async () => {
    await hostileImage(engine(), "db", (tree) => {
      mkdirSync(join(tree, "data", "sub"), { recursive: true });
      writeFileSync(join(tree, "data", "f"), "from the image\n");
      chownSync(join(tree, "data", "f"), 7, 8);
      chownSync(join(tree, "data"), 7, 8);
      chmodSync(join(tree, "data"), 0o1770);
    });
    await ok("volume", "create", "vol");
    expect((await run("-v", "vol:/data", "db", "cat", "/data/f")).stdout).toBe("from the image\n");
    expect([ownerOf(dataOf("vol")), ownerOf(join(dataOf("vol"), "f"))]).toEqual(["7:8 1770", "7:8 644"]);
    await run("-v", "vol:/data", "db", "sh", "-c", "echo mine > /data/f");
    expect((await run("-v", "vol:/data:ro", "db", "cat", "/data/f")).stdout).toBe("mine\n");
    expect((await run("-v", "other:/data:nocopy", "db", "ls", "/data")).stdout).toBe("");
    await ok("volume", "rm", "vol", "other");
    await ok("rmi", "db");
  });

  test("an image's volume path that is a link to the host ends inside the image", async () => {
    const canary = join(engine().dir, "canary");
    mkdirSync(canary);
    writeFileSync(join(canary, "secret"), "of the host\n");
    await hostileImage(
      engine(),
      "hostile",
      (tree) => {
        symlinkSync(canary, join(tree, "link"));
        mkdirSync(join(tree, "real"));
        writeFileSync(join(tree, "real", "f"), "inside\n");
        symlinkSync("/real", join(tree, "legitimate"));
      },
      { Volumes: { "/link": {}, [`/../../..${canary}`]: {}, "/legitimate": {} } },
    );
    const id = await ok(
      "create",
      "-v",
      "vol:/link",
      ...NONE,
      "hostile",
      "sh",
      "-c",
      "cat /legitimate/f; ls /link",
    );
    const sources = (
      await ok("inspect", "-f", "{{range .Mounts}}{{.Destination}}={{.Source}} {{end}}", id)
    ).split(" ");
    expect(sources).toHaveLength(3);
    const found = sources.map((text) => {
      const [at = "", path = ""] = text.split("=");
      return `${at}: ${readdirSync(path).join()}`;
    });
    expect(found.sort()).toEqual(["/legitimate: f", "/link: ", `${canary}: `].sort());
    expect((await engine().gantry(["start", "-a", id])).stdout).toBe("inside\n");
    expect(readdirSync(canary)).toEqual(["secret"]);
    await ok("rm", "-v", id);
    await ok("volume", "rm", "vol");
    await ok("rmi", "hostile");
  });

  test("containers share a volume, which survives them and cannot go before them", async () => {
    const a = await ok("run", "-d", ...NONE, "-v", "vol:/a", "busybox", "sleep", "100");
    await ok("exec", a, "sh", "-c", "echo hello > /a/f");
    expect(
      (await run("--volumes-from", `${a}:ro`, "busybox", "sh", "-c", "cat /a/f; echo x > /a/f")).code,
    ).toBe(1);
    expect((await run("-v", "vol:/b", "busybox", "cat", "/b/f")).stdout).toBe("hello\n");
    expect((await engine().gantry(["volume", "rm", "vol"])).stderr).toBe(
      `Error response from daemon: remove vol: volume is in use - [${a}]\n`,
    );
    expect(await ok("ps", "--format", "{{.Mounts}}", "--filter", "volume=vol")).toBe("vol");
    await ok("rm", "-f", a);
    expect(readFileSync(join(dataOf("vol"), "f"), "utf8")).toBe("hello\n");
    const idle = await ok("create", ...NONE, "-v", "vol:/c", "busybox", "true");
    await ok("cp", `${idle}:/c/f`, join(engine().dir, "copied"));
    await ok("cp", join(engine().dir, "copied"), `${idle}:/c/back`);
    expect(readFileSync(join(dataOf("vol"), "back"), "utf8")).toBe("hello\n");
    await ok("rm", idle);
    expect(await ok("volume", "rm", "vol")).toBe("vol");
  });

  test("--rm and rm -v take anonymous volumes along, rm alone leaves them to prune", async () => {
    await run("-v", "/own", "busybox", "true");
    expect(await ok("volume", "ls", "-q")).toBe("");
    const id = await ok("create", "-v", "/own", "-v", "vol:/named", "busybox", "true");
    await ok("rm", id);
    const [anonymous = ""] = (await ok("volume", "ls", "-q")).split("\n").filter((name) => name !== "vol");
    expect(await ok("volume", "prune", "-f")).toBe(
      `Deleted Volumes:\n${anonymous}\n\nTotal reclaimed space: 0B`,
    );
    await ok("rm", "-v", await ok("create", "-v", "/own", "busybox", "true"));
    expect(await ok("volume", "prune", "-f", "-a")).toContain("vol");
    expect(await ok("volume", "ls", "-q")).toBe("");
  });

  test("a part of a volume is mounted, file or directory, and nothing outside of it", async () => {
    await run(
      "-v",
      "vol:/v",
      "busybox",
      "sh",
      "-c",
      "mkdir -p /v/a/b; echo in > /v/a/b/f; ln -s a/b /v/to; ln -s / /v/out; ln -s ../../.. /v/up",
    );
    const part = (subpath: string) =>
      run(
        "--mount",
        `type=volume,src=vol,dst=/x,volume-subpath=${subpath}`,
        "busybox",
        "sh",
        "-c",
        "cat /x/f 2>/dev/null || cat /x",
      );
    expect((await part("a/b")).stdout).toBe("in\n");
    expect((await part("a/b/f")).stdout).toBe("in\n");
    expect((await part("to")).stdout).toBe("in\n");
    for (const subpath of ["out", "up", "out/etc", "up/.."]) {
      const { code, stderr } = await part(subpath);
      expect([code, stderr]).toEqual([125, expect.stringContaining("it leads out of the volume")]);
    }
    const missing = await part("nosuch");
    expect(missing.code).toBe(127);
    expect(missing.stderr).toContain(`cannot access path "${dataOf("vol")}/nosuch"`);
    await ok("volume", "rm", "vol");
  });

  test("options mount on first use, for all at once, and the last one takes it off", async () => {
    const options = "type=tmpfs,device=tmpfs,o=size=1m".split(",").flatMap((option) => ["-o", option]);
    await ok("volume", "create", ...options, "memory");
    expect(await mountsAt(dataOf("memory"))).toBe(0);
    const ids: string[] = [];
    for (const n of [1, 2])
      ids.push(
        await ok(
          "run",
          "-d",
          ...NONE,
          "-v",
          "memory:/m",
          "busybox",
          "sh",
          "-c",
          `echo ${n} > /m/${n}; exec sleep 100`,
        ),
      );
    await until("both to have written", async () => (await ok("exec", ids[0] ?? "", "ls", "/m")) === "1\n2");
    expect(await ok("exec", ids[1] ?? "", "sh", "-c", "df -k /m | tail -1 | tr -s ' ' | cut -d' ' -f2")).toBe(
      "1024",
    );
    expect(await mountsAt(dataOf("memory"))).toBe(1);
    await engine().kill9();
    await engine().launch();
    await ok("rm", "-f", ids[0] ?? "");
    expect(await mountsAt(dataOf("memory"))).toBe(1);
    await ok("rm", "-f", ids[1] ?? "");
    expect(await mountsAt(dataOf("memory"))).toBe(0);
    const bound = join(engine().dir, "bound");
    mkdirSync(bound);
    writeFileSync(join(bound, "f"), "bound\n");
    await ok("volume", "create", "-o", "type=none", "-o", `device=${bound}`, "-o", "o=bind,ro", "bound");
    const done = await run("-v", "bound:/b", "busybox", "sh", "-c", "cat /b/f; touch /b/g");
    expect([done.stdout, done.stderr]).toEqual(["bound\n", "touch: /b/g: Read-only file system\n"]);
    await ok("volume", "create", "-o", "type=none", "-o", "device=/no/such", "-o", "o=bind", "broken");
    expect((await run("-v", "broken:/b", "busybox", "true")).stderr).toContain(
      'failed to mount local volume: cannot bind "/no/such": No such file or directory',
    );
    await ok("volume", "rm", "memory", "bound", "broken");
    expect(readdirSync(bound)).toEqual(["f"]);
  });

  test("a daemon that dies while it fills a volume fills it anew, and leaves nothing aside", async () => {
    await ok("volume", "create", "vol");
    await engine().kill9();
    const volumes = join(engine().dir, "data", "volumes");
    // As it is found in the middle of copying, making and removing.
    for (const name of ["vol/_filling", `.new-${"a".repeat(64)}/_data`, ".gone-0123456789abcdef"]) {
      mkdirSync(join(volumes, name), { recursive: true });
      writeFileSync(join(volumes, name, "half"), "half");
    }
    mkdirSync(join(volumes, "b".repeat(64), "_data"), { recursive: true });
    await engine().launch();
    expect(await ok("volume", "ls", "-q")).toBe("vol");
    await until("what was left to be gone", () => readdirSync(volumes).join() === "vol");
    expect(readdirSync(join(volumes, "vol"))).toEqual(["_data"]);
    expect((await run("-v", "vol:/etc", "busybox", "ls", "/etc")).stdout).toContain("passwd");
    expect(readdirSync(dataOf("vol"))).toContain("passwd");
    await ok("volume", "rm", "vol");
  });

  test("a kill in a real copy leaves an empty volume or a full one, never a half", async () => {
    await hostileImage(engine(), "big", (tree) => {
      mkdirSync(join(tree, "data"));
      for (let i = 0; i < 2000; i++) writeFileSync(join(tree, "data", `f${i}`), "x".repeat(2000));
    });
    for (const [n, delayMs] of [20, 60].entries()) {
      await ok("volume", "create", `v${n}`);
      const creating = engine().gantry(["create", "-v", `v${n}:/data`, ...NONE, "big", "true"]);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      await engine().kill9();
      await creating;
      await engine().launch();
      expect([0, 2000]).toContain(readdirSync(dataOf(`v${n}`)).length);
      expect((await run("-v", `v${n}:/data`, "big", "sh", "-c", "set -- /data/*; echo $#")).stdout).toBe(
        "2000\n",
      );
    }
    const ids = (await ok("ps", "-aq", "--no-trunc")).split("\n").filter((id) => id !== "");
    if (ids.length > 0) await ok("rm", "-f", ...ids);
    await ok("volume", "rm", "v0", "v1");
    await ok("rmi", "big");
  }, 60_000);
});

engineSuite("volumes and the stock docker client", { needs: ["docker-cli"] }, (engine) => {
  const docker = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await engine().docker(args);
    return code === 0 ? stdout.trim() : `${code}: ${stderr.trim()}`;
  };

  test("creates, lists, inspects, uses, measures and prunes them", async () => {
    expect(await docker("volume", "create", "--label", "a=b", "vol")).toBe("vol");
    expect(await docker("volume", "inspect", "-f", "{{.Driver}} {{.Scope}} {{.Labels.a}}", "vol")).toBe(
      "local local b",
    );
    expect(await docker("volume", "ls", "-f", "label=a", "--format", "{{.Name}}")).toBe("vol");
    const id = await docker(
      "create",
      ...NONE,
      "-v",
      "vol:/v",
      "-v",
      "/own",
      "--mount",
      "type=volume,src=two,dst=/t,volume-nocopy",
      "busybox",
      "sh",
      "-c",
      "echo hi > /v/f",
    );
    expect(
      await docker("inspect", "-f", "{{range .Mounts}}{{.Type}} {{.Destination}} {{.Mode}}|{{end}}", id),
    ).toBe("volume /v z|volume /t z|volume /own |");
    expect(await docker("start", "-a", id)).toBe("");
    expect(await docker("volume", "rm", "vol")).toBe(
      `1: Error response from daemon: remove vol: volume is in use - [${id}]`,
    );
    expect(
      await docker("system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}}"),
    ).toContain("Local Volumes 3 3 3B");
    expect(await docker("rm", "-v", id)).toBe(id);
    expect(await docker("volume", "prune", "-f")).toBe("Total reclaimed space: 0B");
    expect(await docker("volume", "prune", "-af")).toBe(
      "Deleted Volumes:\ntwo\nvol\n\nTotal reclaimed space: 3B",
    );
    expect(await docker("volume", "rm", "vol")).toBe(
      "1: Error response from daemon: get vol: no such volume",
    );
  });
});
