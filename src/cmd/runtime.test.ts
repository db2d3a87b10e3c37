import { afterAll, describe, expect, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { main } from "./runtime.ts";

const bundle = mkdtempSync(join(tmpdir(), "gantry-bundle-"));
afterAll(() => rmSync(bundle, { recursive: true }));

function run(...args: string[]): { code: number; out: string; error: string } {
  const stderr = spyOn(process.stderr, "write").mockReturnValue(true);
  try {
    let out = "";
    const code = main(args, (text) => (out += text));
    return { code, out, error: stderr.mock.calls.map(([text]) => String(text)).join("") };
  } finally {
    stderr.mockRestore();
  }
}

describe("gantry-runc plan", () => {
  test("shows what a bundle's start would do", () => {
    const config = {
      ociVersion: "1.2.0",
      process: { user: { uid: 0, gid: 0 }, args: ["sh"], cwd: "/" },
      root: { path: "rootfs" },
      mounts: [{ destination: "/x", type: "bind", source: "/etc/passwd", options: ["bind", "ro"] }],
      linux: { namespaces: [{ type: "mount" }], cgroupsPath: "/t/x" },
    };
    writeFileSync(join(bundle, "config.json"), JSON.stringify(config));
    const { code, out } = run("plan", "--bundle", bundle);
    expect(code).toBe(0);
    expect(out).toContain(`init root-bind source="${bundle}/rootfs"`);
    expect(out).toContain('init bind targetFile source="/etc/passwd" target="/x" attrSet=rdonly');
    expect(out).toContain('init exec argv=["sh"]');
  });

  test("says what is wrong with it", () => {
    writeFileSync(join(bundle, "config.json"), "{");
    expect(run("plan", "--bundle", bundle)).toMatchObject({ code: 1, out: "" });
    expect(run("plan", "--bundle", "/nonexistent").error).toContain("/nonexistent/config.json");
    expect(run("create", "x").error).toContain("usage: gantry-runc plan");
    expect(run("plan", "--bundle").error).toContain("usage");
  });
});
