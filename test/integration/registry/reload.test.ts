/** daemon.json is read anew on SIGHUP. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { engineSuite } from "../../support/suite.ts";
import { until } from "../../support/until.ts";

const directory = mkdtempSync(join(tmpdir(), "gt-reload-"));
const file = join(directory, "daemon.json");
writeFileSync(file, '{"registry-mirrors": ["https://before.example"]}');
afterAll(() => rmSync(directory, { recursive: true }));

engineSuite("SIGHUP", { flags: ["--config-file", file] }, (engine) => {
  const info = (): Promise<string> => engine().ok(["info"]);

  test("brings new mirrors and insecure registries", async () => {
    expect(await info()).toContain("Registry Mirrors:\n  https://before.example/");
    writeFileSync(
      file,
      '{"registry-mirrors": ["https://after.example"], "insecure-registries": ["r.example:5000", "10.0.0.0/8"]}',
    );
    process.kill(engine().pid, "SIGHUP");
    await until("the new mirror", async () => (await info()).includes("https://after.example/"));
    expect(await info()).toContain(
      "Insecure Registries:\n  r.example:5000\n  10.0.0.0/8\n  ::1/128\n  127.0.0.0/8\n",
    );
    const words = ["events", "--since", "1m", "--until", "0s", "--filter", "type=daemon"];
    await until("the event", async () => (await engine().ok(words)).includes("daemon reload"));
  });

  test("changes nothing when the file has become wrong", async () => {
    const before = await info();
    writeFileSync(file, '{"registry-mirrors": ["nonsense"]}');
    process.kill(engine().pid, "SIGHUP");
    await until("the complaint", () =>
      readFileSync(engine().logFile, "utf8").includes("the options stay as they are"),
    );
    expect((await info()).split("System Time")[0]).toBe(before.split("System Time")[0] ?? "");
  });
});
