/** Private images and mirrors: what the command line keeps, what the engine sends, who answers. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GANTRY } from "../../support/engine.ts";
import { engineSuite } from "../../support/suite.ts";
import { run } from "../../support/run.ts";
import { until } from "../../support/until.ts";

const PRIVATE = "127.0.0.1:5910";
const OPEN = "127.0.0.1:5911";

engineSuite(
  "accounts and mirrors",
  { needs: ["docker-cli"], flags: ["--registry-mirror", `http://${OPEN}`] },
  (engine) => {
    let directory: string;
    const registries: ChildProcess[] = [];

    const inside = (): string[] => ["nsenter", `--target=${engine().pid}`, "--net"];
    const env = (name: string): Record<string, string> => ({ DOCKER_CONFIG: join(directory, name) });

    const serve = (address: string, ...flags: string[]): void => {
      const data = ["--data-root", join(directory, address)];
      const words = [`--target=${engine().pid}`, "--net", GANTRY, "registry", "serve", "--listen", address];
      registries.push(spawn("nsenter", [...words, ...data, ...flags], { stdio: "ignore" }));
    };
    const answers = async (address: string): Promise<boolean> =>
      (await run([...inside(), "bash", "-c", `: < /dev/tcp/${address.replace(":", "/")}`])).code === 0;

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), "gt-accounts-"));
      const hash = (password: string): Promise<string> =>
        Bun.password.hash(password, { algorithm: "bcrypt", cost: 4 });
      writeFileSync(join(directory, "users"), `ann:${await hash("ann-s")}\nbob:${await hash("bob-s")}\n`);
      serve(PRIVATE, "--htpasswd", join(directory, "users"), "--token");
      serve(OPEN);
      for (const address of [PRIVATE, OPEN]) await until(`${address} to answer`, () => answers(address));
      // The stock client brings the images there: a second pair of eyes on what the engine pushes.
      for (const [from, to] of [
        [PRIVATE, "team/app:v1"],
        [OPEN, "library/mirrored:v1"],
      ]) {
        await engine().ok(["tag", "busybox", `${from}/${to}`]);
        if (from === PRIVATE)
          await engine().docker(["login", "-u", "ann", "--password-stdin", PRIVATE], { input: "ann-s" });
        const pushed = await engine().docker(["push", `${from}/${to}`]);
        expect(pushed).toMatchObject({ code: 0, stderr: "" });
        await engine().ok(["rmi", `${from}/${to}`]);
      }
    }, 120_000);
    afterAll(() => {
      for (const registry of registries) registry.kill("SIGTERM");
      rmSync(directory, { recursive: true, force: true });
    });

    test("a private image needs an account, and a run uses the one that is kept", async () => {
      const image = `${PRIVATE}/team/app:v1`;
      const refused = await engine().gantry(["pull", image], { env: env("nobody") });
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/unauthorized: authentication required|pull access denied for/);
      const login = ["login", "-u", "bob", "--password-stdin", PRIVATE];
      await engine().ok(login, { input: "bob-s", env: env("bob") });
      const words = ["run", "--rm", "--network", "none", image, "echo", "private"];
      expect(await engine().ok(words, { env: env("bob") })).toBe("private");
      await engine().ok(["rmi", image]);
    }, 60_000);

    test("the account of the longest path is the one that counts", async () => {
      const image = `${PRIVATE}/team/app:v1`;
      const login = (server: string, password: string): Promise<string> =>
        engine().ok(["login", "-u", "ann", "--password-stdin", server], { input: password, env: env("two") });
      await login(PRIVATE, "ann-s");
      await login(`${PRIVATE}/team`, "ann-s");
      const auths = {
        [PRIVATE]: { auth: btoa("ann:wrong") },
        [`${PRIVATE}/team`]: { auth: btoa("ann:ann-s") },
      };
      writeFileSync(join(directory, "two", "config.json"), JSON.stringify({ auths }));
      await engine().ok(["pull", "-q", image], { env: env("two") });
      await engine().ok(["rmi", image]);
      const swapped = { [PRIVATE]: auths[`${PRIVATE}/team`], [`${PRIVATE}/team`]: auths[PRIVATE] };
      writeFileSync(join(directory, "two", "config.json"), JSON.stringify({ auths: swapped }));
      const done = await engine().gantry(["pull", "-q", image], { env: env("two") });
      expect(done.code).toBe(1);
      expect(done.stderr).toContain("unauthorized");
    }, 60_000);

    test("a mirror answers for Docker Hub, which nobody can reach from here", async () => {
      await engine().ok(["pull", "-q", "mirrored:v1"], { env: env("nobody") });
      expect(await engine().ok(["images", "--format", "{{.Repository}}:{{.Tag}}", "mirrored"])).toBe(
        "mirrored:v1",
      );
      await engine().ok(["rmi", "mirrored:v1"]);
      const missing = await engine().gantry(["pull", "-q", "missing:v1"], { env: env("nobody") });
      // The mirror's answer is no proof that the Hub has none: its own error is told.
      expect(missing.stderr).toMatch(/Get "https:\/\/registry-1\.docker\.io\/v2\/": dial tcp/);
      expect(await engine().ok(["info"])).toContain(`Registry Mirrors:\n  http://${OPEN}/`);
    }, 60_000);
  },
);
