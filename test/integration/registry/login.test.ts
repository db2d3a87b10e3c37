/** Logging in with the real programs at a registry that wants tokens. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GANTRY } from "../../support/engine.ts";
import { Terminal } from "../../support/pty.ts";
import { engineSuite } from "../../support/suite.ts";
import { until } from "../../support/until.ts";

const SERVER = "127.0.0.1:5900";

engineSuite("login", { needs: ["docker-cli"] }, (engine) => {
  let directory: string;
  let registry: ChildProcess | undefined;

  /** The engine's network is its own: the registry must be there, too. */
  const inside = (): string[] => ["nsenter", `--target=${engine().pid}`, "--net"];
  const env = (name: string): Record<string, string> => ({ DOCKER_CONFIG: join(directory, name) });
  const kept = (name: string): unknown =>
    JSON.parse(readFileSync(join(directory, name, "config.json"), "utf8"));

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "gt-login-"));
    const users = join(directory, "users");
    writeFileSync(users, `ann:${await Bun.password.hash("right", { algorithm: "bcrypt", cost: 4 })}\n`);
    const flags = [
      "--listen",
      SERVER,
      "--data-root",
      join(directory, "data"),
      "--htpasswd",
      users,
      "--token",
    ];
    const [program = "", ...words] = [...inside(), GANTRY, "registry", "serve", ...flags];
    registry = spawn(program, words, { stdio: "ignore" });
    await until("the registry to answer", answers);
  }, 60_000);
  afterAll(() => {
    registry?.kill("SIGTERM");
    rmSync(directory, { recursive: true, force: true });
  });

  /** A wrong password is refused by who listens; nobody there is another failure. */
  const answers = async (): Promise<boolean> =>
    (await logIn("probe", "wrong")).stderr.includes("unauthorized");
  const logIn = (name: string, password: string) =>
    engine().gantry(["login", "-u", "ann", "--password-stdin", SERVER], {
      input: `${password}\n`,
      env: env(name),
    });

  test("takes the password from standard input and keeps it for its owner", async () => {
    const done = await logIn("stdin", "right");
    expect(done).toMatchObject({ code: 0, stdout: "Login Succeeded\n" });
    expect(JSON.stringify(kept("stdin"))).toContain(SERVER);
    expect(statSync(join(directory, "stdin", "config.json")).mode & 0o777).toBe(0o600);
    const again = await engine().gantry(["login", SERVER], { env: env("stdin") });
    expect(again.stdout).toBe("Authenticating with existing credentials...\nLogin Succeeded\n");
    const out = await engine().gantry(["logout", SERVER], { env: env("stdin") });
    expect(out.stdout).toBe(`Removing login credentials for ${SERVER}\n`);
    expect(kept("stdin")).toEqual({ auths: {} });
  });

  test("keeps nothing when the registry refuses", async () => {
    const done = await logIn("wrong", "wrong");
    expect(done.code).toBe(1);
    expect(done.stderr).toContain(`Error response from daemon: Get "http://${SERVER}/v2/": unauthorized`);
    expect(existsSync(join(directory, "wrong"))).toBe(false);
  });

  test("asks at a terminal and does not show the password", async () => {
    const terminal = new Terminal([
      "env",
      `DOCKER_CONFIG=${join(directory, "typed")}`,
      GANTRY,
      "--host",
      engine().host,
      "login",
      SERVER,
    ]);
    await terminal.shows("Username: ");
    terminal.type("anm\u007fn\r");
    await terminal.shows("Password: ");
    terminal.type("right\r");
    await terminal.shows("Login Succeeded");
    expect(await terminal.ends()).toBe(0);
    expect(terminal.seen).not.toContain("right");
    expect(JSON.stringify(kept("typed"))).toContain(Buffer.from("ann:").toString("base64").slice(0, 5));
  });

  test("is left with ctrl-c", async () => {
    const terminal = new Terminal([GANTRY, "--host", engine().host, "login", SERVER]);
    await terminal.shows("Username: ");
    terminal.type("\u0003");
    expect(await terminal.ends()).toBe(130);
  });

  test("the stock client logs in through the engine", async () => {
    const done = await engine().docker(["login", "-u", "ann", "--password-stdin", SERVER], {
      input: "right",
    });
    expect(done.stdout).toContain("Login Succeeded");
    const refused = await engine().docker(["login", "-u", "ann", "--password-stdin", SERVER], {
      input: "wrong",
    });
    expect(refused.stderr).toContain("unauthorized");
  });
});
