import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { expect, test } from "bun:test";
import { DEFAULT_GROUP } from "../src/cmd/daemon-socket.ts";
import { daemonOptions, parseDaemonFlags } from "../src/cmd/daemon-options.ts";
import { findNativeParts } from "../src/cmd/native-parts.ts";
import {
  changelogFile,
  compatPackage,
  controlFile,
  debianVersion,
  enginePackage,
  wantedLibc,
} from "./control.ts";
import { compatLayout, engineLayout, type Layout } from "./layout.ts";

const root = join(import.meta.dirname, "..");
const read = (...names: string[]): string => readFileSync(join(root, ...names), "utf8");
const { version }: { version: string } = JSON.parse(read("package.json"));
const facts = { version, architecture: "x64", libc: "2.34" };
const changelog = new Uint8Array();
const engine = engineLayout({
  completion: { bash: "for bash", zsh: "for zsh", fish: "for fish" },
  pages: ["docs/daemon.md"],
  changelog,
});
const compat = compatLayout({ changelog });

/** Where an absolute path of an installed system leads: a path in the layout that is no link. */
function resolved(layout: Layout, path: string): string {
  const content = layout.get(path);
  if (content?.kind !== "link") return path;
  return resolved(layout, normalize(join(dirname(path), content.target)));
}

/** What a unit says, section by section in one list. */
function settings(unit: string): ReadonlyMap<string, string> {
  const lines = read("packaging", "systemd", unit).split("\n");
  return new Map(
    lines.flatMap((line) =>
      [...line.matchAll(/^(\w+)=(.*)$/g)].map(([, key = "", value = ""]) => [key, value]),
    ),
  );
}

function scripts(): string[] {
  return readdirSync(join(root, "packaging", "deb"), { recursive: true, encoding: "utf8" })
    .filter((name) => /\/(?:pre|post)(?:inst|rm)$/.test(name))
    .map((name) => join("packaging", "deb", name));
}

test("every file of the packages is in the checkout, or built", () => {
  const sources = [...engine.values(), ...compat.values()].flatMap((content) =>
    content.kind === "file" ? [content.from] : [],
  );
  expect(sources.filter((name) => !name.startsWith("build/") && !existsSync(join(root, name)))).toEqual([]);
});

test("commands lead to programs, beside which their parts lie", () => {
  const program = resolved(engine, "usr/bin/gantry");
  expect(engine.get(program)).toEqual({ kind: "file", from: "build/gantry", executable: true });
  expect(resolved(engine, "usr/bin/gantryd")).toBe(join(dirname(program), "gantryd"));
  const parts = Object.values(findNativeParts()).map((path) => join(dirname(program), basename(path)));
  expect(parts.filter((path) => !engine.has(path))).toEqual([]);
  expect(resolved(engine, "usr/bin/gantry-runc")).toBe(join(dirname(program), "gantry-runc"));
  const both = new Map([...engine, ...compat]);
  expect(resolved(both, "usr/bin/docker")).toBe(program);
});

test("no file is in both packages but for their own documents", () => {
  expect([...compat.keys()].filter((path) => engine.has(path))).toEqual([]);
});

test("the service starts a daemon that is in the package, with words it understands", () => {
  const [program = "", ...words] = (settings("gantry.service").get("ExecStart") ?? "").split(" ");
  expect(resolved(engine, program.slice(1))).toBe("usr/lib/gantry/gantryd");
  const flags = parseDaemonFlags(words);
  if (typeof flags === "string") throw new Error(flags);
  expect(daemonOptions(flags, {}).doors.addresses).toEqual([{ kind: "activated", descriptor: undefined }]);
});

test("the socket is where clients look, for the group that the daemon would give it", () => {
  const unit = settings("gantry.socket");
  const flags = parseDaemonFlags([]);
  if (typeof flags === "string") throw new Error(flags);
  const options = daemonOptions(flags, {});
  expect(options.doors.addresses).toEqual([{ kind: "unix", path: unit.get("ListenStream") ?? "" }]);
  expect(unit.get("SocketGroup")).toBe(DEFAULT_GROUP);
  expect(unit.get("SocketGroup")).toBe(options.group);
  expect(read("packaging/deb/gantry/postinst")).toContain(`groupadd --system ${DEFAULT_GROUP}\n`);
});

test("the service's documentation is in the package", () => {
  const url = settings("gantry.service").get("Documentation") ?? "";
  expect(engine.has(url.replace("file:///", ""))).toBe(true);
});

test("maintainer scripts are shell, stop at errors, and name units and paths that are there", () => {
  expect(scripts().length).toBe(5);
  for (const script of scripts()) {
    expect(spawnSync("sh", ["-n", join(root, script)]).stderr.toString()).toBe("");
    const text = read(script);
    expect(text).toContain("\nset -e\n");
    for (const [unit] of text.matchAll(/\bgantry\.(?:service|socket)\b/g))
      expect(engine.has(`usr/lib/systemd/system/${unit}`)).toBe(true);
    for (const [, path = ""] of text.matchAll(/ \/(usr\/lib\/[\w./-]+)/g))
      expect(compat.has(path)).toBe(true);
  }
});

test("Docker's socket leads to the one of the unit, in every place that says so", () => {
  const socket = settings("gantry.socket").get("ListenStream") ?? "";
  expect(read("packaging/deb/gantry-docker-compat/gantry-docker-compat.conf")).toContain(
    `\nL /run/docker.sock - - - - ${socket}\n`,
  );
  for (const script of ["postinst", "postrm"])
    expect(read("packaging/deb/gantry-docker-compat", script)).toContain(` ${socket}`);
  expect(read("packaging/deb/gantry/prerm")).toContain(`engine=unix://${socket}\n`);
});

test("the control file has the version of package.json and the C library that was linked", () => {
  const text = controlFile(enginePackage(facts), version, 123);
  expect(text).toStartWith(`Package: gantry\nVersion: ${version}\nSection: admin\n`);
  expect(text).toContain("\nArchitecture: amd64\n");
  expect(text).toContain("\nInstalled-Size: 123\n");
  expect(text).toContain("\nDepends: libc6 (>= 2.34), passwd, procps\n");
  expect(text.split("\n").filter((line) => line.length > 78 && line.startsWith(" "))).toEqual([]);
  expect(text).toEndWith("\n");
  expect(controlFile(compatPackage(facts), version, 1)).toContain(`\nDepends: gantry (>= ${version})\n`);
});

test("a pre-release sorts before its release; what is no version, and machines without a package, are refused", () => {
  expect(debianVersion("1.2.3-rc.1")).toBe("1.2.3~rc.1");
  expect(() => debianVersion("1.2")).toThrow('no version: "1.2"');
  expect(() => enginePackage({ ...facts, architecture: "mips" })).toThrow("no package for mips yet");
});

test("the newest version of the C library counts, by number", () => {
  const dump = "    0x0 0x00 05 GLIBC_2.9\n    0x0 0x00 05 GLIBC_2.17\n";
  expect(wantedLibc([dump, "GLIBC_2.2.5"])).toBe("2.17");
  expect(wantedLibc(["GLIBC_PRIVATE"])).toBeUndefined();
});

test("the changelog has Debian's form", () => {
  expect(changelogFile("gantry", "0.1.0", 1_700_000_000)).toMatch(
    /^gantry \(0\.1\.0\) unstable; urgency=medium\n\n {2}\* .*\n\n -- .* <.*@.*> {2}Tue, 14 Nov 2023 22:13:20 \+0000\n$/,
  );
});
