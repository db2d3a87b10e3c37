/**
 * npm run package: builds the program, then build/gantry_VERSION_ARCH.deb and build/gantry-docker-compat_VERSION_all.deb with
 * dpkg-deb. The same commit, built with the same compiler, gives the same bytes: all times are the commit's
 * (SOURCE_DATE_EPOCH overrides them), everything is root's, and no path of the checkout gets in.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import {
  changelogFile,
  compatPackage,
  controlFile,
  debianVersion,
  enginePackage,
  type Facts,
  type Package,
  wantedLibc,
} from "./control.ts";
import { compatLayout, type Content, engineLayout, type Layout, type Shell } from "./layout.ts";

const root = join(import.meta.dirname, "..");
const build = join(root, "build");
/** One thread: with more of them the bytes depend on how many. */
const COMPRESSION = ["-Zxz", "-z6"];

function output(command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 64 << 20 });
}

/** Of everything in the packages, in seconds. */
function sourceDate(): number {
  const said = process.env["SOURCE_DATE_EPOCH"] ?? output("git", "log", "-1", "--format=%ct").trim();
  if (!/^\d{1,10}$/.test(said)) throw new Error(`SOURCE_DATE_EPOCH is no time: "${said}"`);
  return Number(said);
}

function readFacts(): Facts {
  const { version }: { version: string } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const libc = wantedLibc(
    ["gantry", "gantry.node"].map((name) => output("objdump", "-p", join(build, name))),
  );
  if (libc === undefined) throw new Error("objdump finds no version of the C library in build/gantry");
  return { version, architecture: process.arch, libc };
}

function completion(shell: Shell): string {
  return output(join(build, "gantry"), "completion", shell);
}

function pages(): string[] {
  return readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .sort()
    .map((name) => join("docs", name));
}

function place(content: Content, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  switch (content.kind) {
    case "file":
      copyFileSync(join(root, content.from), to);
      return chmodSync(to, content.executable ? 0o755 : 0o644);
    case "text":
      return writeFileSync(to, content.text);
    case "link":
      return symlinkSync(content.target, to);
    case "directory":
      mkdirSync(to, { recursive: true });
  }
}

/** As dpkg counts: whole kilobytes of files, one for everything else. */
function kilobytesOf(tree: string): number {
  const sizes = readdirSync(tree, { recursive: true, encoding: "utf8" }).map((name) => {
    const entry = lstatSync(join(tree, name));
    return entry.isFile() ? Math.ceil(entry.size / 1024) : 1;
  });
  return sizes.reduce((sum, size) => sum + size, 1);
}

function checksums(tree: string, layout: Layout): string {
  const isFile = ({ kind }: Content): boolean => kind === "file" || kind === "text";
  return [...layout]
    .filter(([, content]) => isFile(content))
    .map(([path]) => path)
    .sort()
    .map(
      (path) =>
        `${createHash("md5")
          .update(readFileSync(join(tree, path)))
          .digest("hex")}  ${path}\n`,
    )
    .join("");
}

function date(tree: string, seconds: number): void {
  for (const name of readdirSync(tree, { recursive: true, encoding: "utf8" }))
    lutimesSync(join(tree, name), seconds, seconds);
  lutimesSync(tree, seconds, seconds);
}

function pack(described: Package, layout: Layout, version: string, seconds: number): string {
  const { name, architecture } = described;
  const tree = join(build, "package", name);
  rmSync(tree, { recursive: true, force: true });
  for (const [path, content] of layout) place(content, join(tree, path));
  const control = controlFile(described, version, kilobytesOf(tree));
  const sums = checksums(tree, layout);
  const scripts = join(root, "packaging", "deb", name);
  mkdirSync(join(tree, "DEBIAN"));
  writeFileSync(join(tree, "DEBIAN", "control"), control);
  writeFileSync(join(tree, "DEBIAN", "md5sums"), sums);
  for (const script of readdirSync(scripts).filter((file) => /^(?:pre|post)(?:inst|rm)$/.test(file))) {
    copyFileSync(join(scripts, script), join(tree, "DEBIAN", script));
    chmodSync(join(tree, "DEBIAN", script), 0o755);
  }
  date(tree, seconds);
  const file = join(build, `${name}_${debianVersion(version)}_${architecture}.deb`);
  execFileSync("dpkg-deb", ["--root-owner-group", ...COMPRESSION, "--build", tree, `${file}.new`], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(seconds), DPKG_DEB_THREADS_MAX: "1" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  renameSync(`${file}.new`, file);
  rmSync(tree, { recursive: true });
  return file;
}

process.umask(0o022);
execFileSync(process.execPath, [join(root, "tools", "build.ts")], { stdio: "inherit" });
const seconds = sourceDate();
const facts = readFacts();
const { version } = facts;
const changelog = (name: string): Uint8Array => gzipSync(changelogFile(name, version, seconds), { level: 9 });
const engine = engineLayout({
  completion: { bash: completion("bash"), zsh: completion("zsh"), fish: completion("fish") },
  pages: pages(),
  changelog: changelog("gantry"),
});
const compat = compatLayout({ changelog: changelog("gantry-docker-compat") });
for (const file of [
  pack(enginePackage(facts), engine, version, seconds),
  pack(compatPackage(facts), compat, version, seconds),
])
  console.log(`${file}  ${(statSync(file).size / 1e6).toFixed(1)} MB`);
