import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GANTRY } from "../../support/engine.ts";
import { busyboxRoot, dockerArchive } from "../../support/images.ts";
import { loopbackBytes, type RegistryKind, TestRegistry } from "../../support/registry.ts";
import { engineSuite } from "../../support/suite.ts";
import { TarBuilder } from "../../support/tar-builder.ts";
import { until } from "../../support/until.ts";

const BIG_BYTES = 48 << 20;

const KINDS: readonly RegistryKind[] = ["docker-registry", "gantry"];

/** With one kind of registry first and the other one second. */
for (const kind of KINDS) imagesAndRegistries(kind, kind === "gantry" ? "docker-registry" : "gantry");

function imagesAndRegistries(first: RegistryKind, second: RegistryKind): void {
  engineSuite(
    `images and a registry, ${first}`,
    { needs: ["docker-registry", "docker-cli"], registries: true },
    (engine) => {
      let one: TestRegistry;
      let two: TestRegistry;
      const ok = (...args: string[]): Promise<string> => engine().ok(args);
      const digestOf = async (name: string): Promise<string> => {
        const [digest = ""] = JSON.parse(await ok("inspect", "-f", "{{json .RepoDigests}}", name));
        return digest.slice(digest.indexOf("@") + 1);
      };
      const forget = async (...names: string[]): Promise<void> => void (await ok("rmi", "-f", ...names));

      beforeAll(async () => {
        one = await TestRegistry.start(engine(), { kind: first, port: 5000 });
        two = await TestRegistry.start(engine(), { kind: second, port: 5001 });
      }, 60_000);
      afterAll(async () => {
        await one[Symbol.asyncDispose]();
        await two[Symbol.asyncDispose]();
      }, 60_000);

      /** An archive of an image of these layer tars. */
      async function archiveOf(name: string, tars: readonly Buffer[]): Promise<string> {
        const work = join(engine().dir, `archive-${name.replaceAll(/\W/g, "-")}`);
        mkdirSync(work, { recursive: true });
        const layers = tars.map((tar, i) => {
          const path = join(work, `layer-${i}.tar`);
          writeFileSync(path, tar);
          return path;
        });
        const target = join(work, "image.tar");
        const diffIds = tars.map((tar) => `sha256:${createHash("sha256").update(tar).digest("hex")}`);
        await dockerArchive({
          work: join(work, "parts"),
          target,
          names: [name],
          layers,
          diffIds,
          config: {},
        });
        return target;
      }

      /** A layer that does not compress, so that its transfer takes a while. */
      async function pushBig(name: string): Promise<void> {
        const tar = new TarBuilder().file("big", randomBytes(BIG_BYTES)).end();
        await ok("load", "-q", "-i", await archiveOf(name, [tar]));
        await ok("push", "-q", name);
        await forget(name);
      }

      test("an image pushed, removed and pulled is the same, and runs", async () => {
        const name = `${one.host}/team/busybox:1`;
        await ok("tag", "busybox", name);
        const id = await ok("inspect", "-f", "{{.Id}}", name);
        const pushed = await ok("push", name);
        expect(pushed).toContain(`The push refers to repository [${one.host}/team/busybox]`);
        expect(pushed).toMatch(/[0-9a-f]{12}: Pushed/);
        const digest = /1: digest: (sha256:[0-9a-f]{64}) size: \d+/.exec(pushed)?.[1] ?? "";
        expect(await digestOf(name)).toBe(digest);
        expect(await ok("push", name)).toContain("Layer already exists");
        await forget(name, "busybox");
        const pulled = await ok("pull", name);
        expect(pulled).toContain("1: Pulling from team/busybox");
        expect(pulled).toMatch(/: Pull complete\n/);
        expect(pulled).toContain(`Digest: ${digest}\nStatus: Downloaded newer image for ${name}`);
        expect(await ok("inspect", "-f", "{{.Id}}", name)).toBe(id);
        expect(await ok("run", "--rm", "--network", "none", name, "echo", "from afar")).toBe("from afar");
        expect(await ok("pull", name)).toContain(`Status: Image is up to date for ${name}`);
        expect(await ok("inspect", "-f", "{{.Id}}", `${one.host}/team/busybox@${digest}`)).toBe(id);
        // To another registry, and back by digest.
        const other = `${two.host}/busybox:2`;
        await ok("tag", name, other);
        await ok("push", "-q", other);
        expect(await digestOf(other)).toBe(digest);
        await forget(other, name);
        await ok("pull", "-q", `${two.host}/busybox@${digest}`);
        expect(await ok("inspect", "-f", "{{.Id}}", `${two.host}/busybox@${digest}`)).toBe(id);
        await ok("tag", `${two.host}/busybox@${digest}`, "busybox");
        await forget(`${two.host}/busybox@${digest}`);
      }, 120_000);

      test("the stock client pulls, pushes and shows progress", async () => {
        const name = `${one.host}/stock:1`;
        const docker = async (...args: string[]): Promise<string> => {
          const done = await engine().docker(args);
          if (done.code !== 0) throw new Error(`docker ${args.join(" ")}: ${done.stderr}`);
          return done.stdout;
        };
        await docker("tag", "busybox", name);
        expect(await docker("push", name)).toMatch(/1: digest: sha256:[0-9a-f]{64} size: \d+/);
        await docker("rmi", name);
        expect(await docker("pull", name)).toContain(`Status: Downloaded newer image for ${name}`);
        expect(
          await docker("images", "--digests", "--format", "{{.Repository}} {{.Digest}}", `${one.host}/stock`),
        ).toMatch(/stock sha256:/);
        const missing = await engine().docker(["pull", `${one.host}/nothing:1`]);
        expect(missing.code).toBe(1);
        expect(missing.stderr).toContain(`manifest for ${one.host}/nothing:1 not found: manifest unknown`);
        await docker("rmi", name);
      }, 60_000);

      test("an image of 64 layers comes back whole", async () => {
        const name = `${one.host}/deep:1`;
        const tars = Array.from({ length: 64 }, (_, i) => new TarBuilder().file(`f${i}`, `${i}\n`).end());
        await ok("load", "-q", "-i", await archiveOf(name, tars));
        const layers = await ok("inspect", "-f", "{{json .RootFS.Layers}}", name);
        await ok("push", "-q", name);
        await forget(name);
        await ok("pull", "-q", name);
        expect(JSON.parse(layers).length).toBe(64);
        expect(await ok("inspect", "-f", "{{json .RootFS.Layers}}", name)).toBe(layers);
        expect((await ok("image", "tree", name)).split("\n").length).toBe(65);
        await forget(name);
      }, 120_000);

      test("all tags are pulled and pushed together", async () => {
        for (const tag of ["a", "b"]) await ok("tag", "busybox", `${one.host}/many:${tag}`);
        await ok("push", "-q", "-a", `${one.host}/many`);
        expect(await ok("image", "tags", `${one.host}/many`)).toBe("a\nb");
        await forget(`${one.host}/many:a`, `${one.host}/many:b`);
        await ok("pull", "-q", "-a", `${one.host}/many`);
        expect(await ok("images", "--format", "{{.Tag}}", `${one.host}/many`)).toBe("a\nb");
        expect(await ok("image", "untag", `${one.host}/many:a`)).toBe(`Untagged: ${one.host}/many:a`);
        await forget(`${one.host}/many:b`);
      }, 60_000);

      test("a registry with an account lets in who has it", async () => {
        await using closed = await TestRegistry.start(engine(), {
          kind: first,
          port: 5002,
          account: { name: "ada", password: "se:cret" },
        });
        const name = `${closed.host}/private:1`;
        await ok("tag", "busybox", name);
        const refused = await engine().gantry(["push", name]);
        expect(refused.code).toBe(1);
        expect(refused.stderr).toMatch(/no basic auth credentials|denied/);
        const config = join(engine().dir, "with-account");
        mkdirSync(config);
        const auth = Buffer.from("ada:se:cret").toString("base64");
        writeFileSync(join(config, "config.json"), JSON.stringify({ auths: { [closed.host]: { auth } } }));
        const env = { DOCKER_CONFIG: config };
        await engine().ok(["push", "-q", name], { env });
        await forget(name);
        expect((await engine().gantry(["run", "--rm", "--network", "none", name, "true"])).code).toBe(125);
        const ran = await engine().gantry(
          ["run", "--rm", "--pull", "missing", "-q", "--network", "none", name, "echo", "in"],
          { env },
        );
        expect([ran.code, ran.stdout]).toEqual([0, "in\n"]);
        expect(readdirSync(engine().dir)).toContain("log");
        await forget(name);
      }, 60_000);

      test("several platforms under one name are made, pushed, pulled and removed one by one", async () => {
        const repository = `${one.host}/multi`;
        const root = await busyboxRoot();
        await ok("import", "--platform", "linux/amd64", root, `${repository}:amd`);
        await ok("import", "--platform", "linux/arm64", root, `${repository}:arm`);
        for (const tag of ["amd", "arm"]) await ok("push", "-q", `${repository}:${tag}`);
        const env = { DOCKER_CONFIG: join(engine().dir, "manifests-config") };
        const manifest = (...args: string[]): Promise<string> => engine().ok(["manifest", ...args], { env });
        await manifest("create", `${repository}:all`, `${repository}:amd`, `${repository}:arm`);
        expect(
          (await engine().gantry(["manifest", "create", `${repository}:all`, `${repository}:amd`], { env }))
            .stderr,
        ).toContain("refusing to amend an existing manifest list with no --amend flag");
        await manifest("annotate", "--variant", "v8", `${repository}:all`, `${repository}:arm`);
        const index = await manifest("push", "--purge", `${repository}:all`);
        const platforms = JSON.parse(await manifest("inspect", `${repository}:all`)).manifests.map(
          ({ platform }: { readonly platform: object }) => platform,
        );
        expect(platforms).toHaveLength(2);
        expect(platforms).toContainEqual({ architecture: "arm64", os: "linux", variant: "v8" });
        await forget(`${repository}:amd`, `${repository}:arm`);

        const name = `${repository}:all`;
        const architecture = (...flags: string[]): Promise<string> =>
          ok("image", "inspect", ...flags, "-f", "{{.Architecture}}", name);
        await ok("pull", "-q", "--platform", "linux/arm64", name);
        expect(await architecture()).toBe("arm64");
        const foreign = await engine().gantry(["create", "--network", "none", name, "true"]);
        expect(foreign.stderr).toContain(
          "WARNING: The requested image's platform (linux/arm64) does not match the detected host platform (linux/amd64) and no specific platform was requested",
        );
        await ok("rm", foreign.stdout.trim());
        expect(
          await ok(
            "run",
            "--rm",
            "--platform",
            "linux/amd64",
            "--network",
            "none",
            "-q",
            name,
            "echo",
            "own",
          ),
        ).toBe("own");
        expect(await architecture()).toBe("amd64");
        expect(await architecture("--platform", "linux/arm64")).toBe("arm64");
        expect(await digestOf(name)).toBe(index);
        expect(await ok("images", "-q", repository)).not.toContain("\n");
        expect(await ok("images", "--tree", repository)).toMatch(/├─ linux\/a[^\n]*\n└─ linux\/a/);
        // All of it is here: the index goes to another registry as it is.
        await ok("tag", name, `${two.host}/multi:all`);
        await ok("push", "-q", `${two.host}/multi:all`);
        expect(await digestOf(`${two.host}/multi:all`)).toBe(index);
        await forget(`${two.host}/multi:all`);
        await ok("rmi", "--platform", "linux/amd64", name);
        expect(await architecture()).toBe("arm64");
        const part = await engine().gantry(["push", name]);
        expect(part.stderr).toContain("Not all multiplatform-content is present");
        await forget(name);
        const none = await engine().gantry(["pull", "--platform", "linux/s390x", `${two.host}/multi:all`]);
        expect(none.stderr).toContain("no matching manifest for linux/s390x in the manifest list entries");
      }, 120_000);

      test("two clients that pull the same thing fetch it once", async () => {
        const name = `${one.host}/big:shared`;
        await pushBig(name);
        const before = loopbackBytes(engine());
        const clients = [1, 2].map(() => engine().gantry(["pull", name], { timeoutMs: 60_000 }));
        const done = await Promise.all(clients);
        for (const { code, stdout } of done) {
          expect(code).toBe(0);
          expect(stdout).toContain(": Pull complete");
        }
        const bytes = loopbackBytes(engine()) - before;
        expect(bytes).toBeGreaterThan(BIG_BYTES);
        expect(bytes).toBeLessThan(BIG_BYTES * 1.5);
        await forget(name);
      }, 120_000);

      test("a client that goes away ends its pull, and the next one goes on from there", async () => {
        const name = `${one.host}/big:left`;
        await pushBig(name);
        const partial = join(engine().dir, "data", "content", "partial");
        const partialBytes = (): number =>
          existsSync(partial)
            ? readdirSync(partial).reduce((sum, file) => sum + statSync(join(partial, file)).size, 0)
            : 0;
        const client = spawn(GANTRY, ["--host", engine().host, "pull", name], { stdio: "ignore" });
        const gone = once(client, "exit");
        await until("a part of the layer", () => partialBytes() > BIG_BYTES / 8);
        client.kill("SIGKILL");
        await gone;
        let seen = -1;
        await until("the download to end", () => {
          const before = seen;
          seen = loopbackBytes(engine());
          return seen === before;
        });
        const kept = partialBytes();
        expect(kept).toBeLessThan(BIG_BYTES);
        await ok("pull", "-q", name);
        expect(loopbackBytes(engine()) - seen).toBeLessThan(BIG_BYTES - kept + (4 << 20));
        await forget(name);
      }, 120_000);

      test("a pull that is killed in the middle goes on where it was", async () => {
        const name = `${one.host}/big:killed`;
        await pushBig(name);
        const cut = engine().gantry(["pull", name], { timeoutMs: 60_000 });
        const partial = join(engine().dir, "data", "content", "partial");
        const partialBytes = (): number =>
          existsSync(partial)
            ? readdirSync(partial).reduce((sum, file) => sum + statSync(join(partial, file)).size, 0)
            : 0;
        await until("a part of the layer", () => partialBytes() > BIG_BYTES / 8);
        await engine().kill9();
        expect((await cut).code).not.toBe(0);
        const kept = partialBytes();
        expect(kept).toBeLessThan(BIG_BYTES);
        await engine().launch();
        const start = loopbackBytes(engine());
        await ok("pull", "-q", name);
        const rest = loopbackBytes(engine()) - start;
        expect(rest).toBeLessThan(BIG_BYTES - kept + (4 << 20));
        expect(rest).toBeGreaterThan(BIG_BYTES - kept - (4 << 20));
        await forget(name);
      }, 120_000);
    },
  );
}
