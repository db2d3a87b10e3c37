import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { engineSuite } from "../../support/suite.ts";

const ROOT = mkdtempSync(join(tmpdir(), "gantry-it-cdi-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));
const ABOUT =
  "printf %s $VENDOR; stat -c ' %t:%T %a' /dev/vendor0; cat /vendor/lib /etc/hooked; id -G; : > /dev/vendor0";

engineSuite("CDI devices", { flags: ["--cdi-spec-dir", join(ROOT, "cdi")] }, (engine) => {
  const run = (...args: string[]) => engine().gantry(["run", "--rm", "--network", "none", ...args]);
  const specify = (name: string, text: string): void => {
    mkdirSync(join(ROOT, "cdi"), { recursive: true });
    writeFileSync(join(ROOT, "cdi", name), text);
  };
  const vendor = (kind: string): string => {
    mkdirSync(join(ROOT, "lib"), { recursive: true });
    writeFileSync(join(ROOT, "lib", "lib"), "library\n");
    writeFileSync(join(ROOT, "hook"), `#!/bin/sh\ncat > /dev/null\necho hooked > ${ROOT}/lib/hooked\n`, {
      mode: 0o755,
    });
    return JSON.stringify({
      cdiVersion: "0.7.0",
      kind,
      containerEdits: { env: ["VENDOR=yes"], additionalGids: [4242] },
      devices: ["0", "all"].map((name) => ({
        name,
        containerEdits: {
          deviceNodes: [{ path: "/dev/vendor0", hostPath: "/dev/null", fileMode: 0o622 }],
          mounts: [
            { hostPath: join(ROOT, "lib"), containerPath: "/vendor", options: ["ro", "rbind"] },
            { hostPath: join(ROOT, "lib", "hooked"), containerPath: "/etc/hooked" },
          ],
          hooks: [{ hookName: "prestart", path: join(ROOT, "hook") }],
        },
      })),
    });
  };
  const expected = "yes 1:3 622\nlibrary\nhooked\n0 10 4242\n";

  test("--device gives a container all that its specification says, and info names it", async () => {
    specify("vendor.json", vendor("vendor.com/class"));
    writeFileSync(join(ROOT, "lib", "hooked"), "");
    const done = await run("--device", "vendor.com/class=0", "busybox", "sh", "-c", ABOUT);
    expect(done).toEqual({ code: 0, stdout: expected, stderr: "" });
    const info = await engine().ok(["info"]);
    expect(info).toContain(` CDI spec directories:\n  ${ROOT}/cdi\n`);
    expect(info).toContain(" Discovered Devices:\n  cdi: vendor.com/class=0\n");
  });

  test("--gpus is answered by NVIDIA's specification, else in Docker's words", async () => {
    const refused = await run("--gpus", "all", "busybox", "true");
    expect(refused.code).toBe(125);
    expect(refused.stderr).toContain('could not select device driver "" with capabilities: [[gpu]]');
    specify("nvidia.json", vendor("nvidia.com/gpu"));
    writeFileSync(join(ROOT, "lib", "hooked"), "");
    const done = await run("--gpus", "all", "busybox", "sh", "-c", ABOUT);
    expect(done).toEqual({ code: 0, stdout: expected, stderr: "" });
    rmSync(join(ROOT, "cdi", "nvidia.json"));
  });

  test("what is not there is named, with what could not be read; a container stays as it was", async () => {
    specify("bad.yaml", "cdiVersion: 9\n");
    await engine().ok([
      "create",
      "--name",
      "later",
      "--device",
      "v.com/later=0",
      "--network",
      "none",
      "busybox",
    ]);
    const { code, stderr } = await engine().gantry(["start", "later"]);
    expect(code).toBe(1);
    expect(stderr).toContain("CDI device injection failed: unresolvable CDI devices v.com/later=0");
    expect(stderr).toContain("bad.yaml: ");
    rmSync(join(ROOT, "cdi", "bad.yaml"));
    specify("later.json", vendor("v.com/later"));
    await engine().ok(["start", "later"]);
  });
});
