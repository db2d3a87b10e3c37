import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Package } from "./control.ts";
import type { Layout } from "./layout.ts";
import { pack } from "./pack.ts";

const hasDpkg = spawnSync("dpkg-deb", ["--version"]).status === 0;

let work: string;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "packaging-"));
});

afterEach(() => rmSync(work, { recursive: true }));

const described: Package = {
  name: "example",
  architecture: "all",
  fields: [["Depends", "passwd"]],
  description: ["an example", "One line."],
};

/** Made in a place of its own, by somebody with this umask. */
function made(place: string, umask: number): string {
  const root = join(work, place);
  const before = process.umask(umask);
  try {
    mkdirSync(join(root, "scripts"), { recursive: true });
    writeFileSync(join(root, "program"), `#!/bin/sh\n${"# long enough for two blocks\n".repeat(60)}`);
    writeFileSync(join(root, "scripts", "postinst"), "#!/bin/sh\n");
    writeFileSync(join(root, "scripts", "other.conf"), "no script\n");
    const layout: Layout = new Map([
      ["usr/lib/example/program", { kind: "file", from: "program", executable: true }],
      ["usr/bin/example", { kind: "link", target: "../lib/example/program" }],
      ["etc/example", { kind: "directory" }],
      ["usr/share/doc/example/changelog", { kind: "text", text: "news\n" }],
    ]);
    const scripts = join(root, "scripts");
    return pack({ described, layout, version: "1.0.0", seconds: 1_700_000_000, root, scripts, into: root });
  } finally {
    process.umask(before);
  }
}

function said(command: string, file: string): string {
  const { stdout, status } = spawnSync("dpkg-deb", [command, file], { env: { ...process.env, TZ: "UTC" } });
  expect(status).toBe(0);
  return stdout.toString();
}

test.skipIf(!hasDpkg)("a package holds its layout, everything root's and of one time", () => {
  const file = made("one", 0o077);
  expect(file).toBe(join(work, "one", "example_1.0.0_all.deb"));
  expect(said("--contents", file)).toBe(
    [
      "drwxr-xr-x root/root         0 2023-11-14 22:13 ./",
      "drwxr-xr-x root/root         0 2023-11-14 22:13 ./etc/",
      "drwxr-xr-x root/root         0 2023-11-14 22:13 ./etc/example/",
      "drwxr-xr-x root/root         0 2023-11-14 22:13 ./usr/",
      "drwxr-xr-x root/root         0 2023-11-14 22:13 ./usr/bin/",
      "drwxr-xr-x root/root         0 2023-11-14 22:13 ./usr/lib/",
      "drwxr-xr-x root/root         0 2023-11-14 22:13 ./usr/lib/example/",
      "-rwxr-xr-x root/root      1750 2023-11-14 22:13 ./usr/lib/example/program",
      "drwxr-xr-x root/root         0 2023-11-14 22:13 ./usr/share/",
      "drwxr-xr-x root/root         0 2023-11-14 22:13 ./usr/share/doc/",
      "drwxr-xr-x root/root         0 2023-11-14 22:13 ./usr/share/doc/example/",
      "-rw-r--r-- root/root         5 2023-11-14 22:13 ./usr/share/doc/example/changelog",
      "lrwxrwxrwx root/root         0 2023-11-14 22:13 ./usr/bin/example -> ../lib/example/program",
      "",
    ].join("\n"),
  );
  // Two kilobytes of program, one for each of the others.
  expect(said("--info", file)).toContain("\n Installed-Size: 14\n");
});

test.skipIf(!hasDpkg)("the same layout gives the same bytes, wherever and by whom it is packed", () => {
  expect(readFileSync(made("one", 0o077)).equals(readFileSync(made("another", 0o002)))).toBe(true);
});

test.skipIf(!hasDpkg)("the control files are scripts that may be run, and checksums of every file", () => {
  const file = made("one", 0o022);
  const control = join(work, "control");
  expect(spawnSync("dpkg-deb", ["--control", file, control]).status).toBe(0);
  const { stdout } = spawnSync("sh", ["-c", "stat -c '%n %a' * && cut -c 33- md5sums"], { cwd: control });
  expect(stdout.toString()).toBe(
    "control 644\nmd5sums 644\npostinst 755\n  usr/lib/example/program\n  usr/share/doc/example/changelog\n",
  );
});
