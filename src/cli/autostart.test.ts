import { describe, expect, test } from "bun:test";
import { startEngine } from "./autostart.ts";
import { ownCaller } from "./caller.ts";
import { Cli } from "./cli.ts";
import { Exit } from "./exit.ts";
import { GlobalOptions } from "./global-options.ts";

const SILENT = { write: async () => {} };
const ADDRESS = {
  endpoint: { kind: "unix", path: "/run/x.sock" },
  tls: undefined,
  url: "unix:///run/x.sock",
  isDefault: true,
} as const;

function cliOf(userId: number): Cli {
  return new Cli(
    {
      program: "gantry",
      version: "0",
      environment: new Map(),
      workingDirectory: "/",
      homeDirectory: "/nonexistent",
      userId,
      engineCommand: { file: "/nonexistent/gantry", argv0: "gantryd", words: ["daemon"] },
      nativeShim: () => Promise.resolve("/nonexistent/gantry-shim"),
      caller: ownCaller(),
    },
    new GlobalOptions("/nonexistent"),
    { out: SILENT, err: SILENT },
  );
}

async function refusal(userId: number, code: string, present: readonly string[] = []): Promise<string> {
  const cause = Object.assign(new Error("connect"), { code });
  return startEngine(cliOf(userId), ADDRESS, cause, (path) => present.includes(path)).then(
    () => "started",
    (error: unknown) =>
      error instanceof Error ? `${error instanceof Exit ? error.status : "?"} ${error.message}` : "",
  );
}

describe("startEngine()", () => {
  test("tells users who are not root how to get an engine", async () => {
    for (const code of ["ENOENT", "ECONNREFUSED"])
      expect(await refusal(1000, code)).toBe(
        "1 the engine is not running and only root can start it; run 'sudo gantry version' once, or have an administrator start gantryd",
      );
  });

  test("tells a closed socket from a missing engine", async () => {
    expect(await refusal(1000, "EACCES")).toBe(
      "1 permission denied: the engine's socket /run/x.sock is not open to you; run this with sudo, or have an administrator add you to the docker group",
    );
  });

  test("leaves an engine that is a service to systemd, where there is systemd", async () => {
    const manager = "/run/systemd/system";
    for (const unit of ["/usr/lib/systemd/system/gantry.service", "/etc/systemd/system/gantry.service"]) {
      for (const userId of [0, 1000])
        expect(await refusal(userId, "ENOENT", [manager, unit])).toBe(
          "1 the engine is not running; it is a service of this host: systemctl start gantry",
        );
      expect(await refusal(1000, "ENOENT", [unit])).toContain("only root can start it");
    }
    expect(await refusal(1000, "ENOENT", [manager])).toContain("only root can start it");
  });

  test("starts nothing when connecting failed for another reason", async () => {
    expect(await refusal(0, "EMFILE")).toContain("Cannot connect to the engine at unix:///run/x.sock");
  });
});
