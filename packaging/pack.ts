/**
 * One package: a tree is staged, then dpkg-deb makes a file of it. The same layout gives the same bytes, whoever makes it and
 * wherever: everything is root's, modes do not depend on the umask, the order is dpkg-deb's, by name, and it takes every time
 * back to the one given, since nothing staged here is older.
 *
 * On crash: a tree or a file "….new" stays, which the next call replaces.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { controlFile, debianVersion, type Package } from "./control.ts";
import type { Content, Layout } from "./layout.ts";

export interface Order {
  readonly described: Package;
  readonly layout: Layout;
  readonly version: string;
  /** Of everything in it. */
  readonly seconds: number;
  /** Where the layout's files are. */
  readonly root: string;
  /** Maintainer scripts: preinst, postinst, prerm, postrm, those there are. */
  readonly scripts: string;
  /** Where the package goes. */
  readonly into: string;
}

/** With several threads xz's bytes may depend on how many there are. */
const COMPRESSION = ["-Zxz", "-z6"];
const ONE_THREAD = { DPKG_DEB_THREADS_MAX: "1" };

/** Returns the path of the package. */
export function pack({ described, layout, version, seconds, root, scripts, into }: Order): string {
  const { name, architecture } = described;
  const tree = join(into, "package", name);
  const before = process.umask(0o022);
  try {
    rmSync(tree, { recursive: true, force: true });
    for (const [path, content] of layout) place(root, content, join(tree, path));
    layControl(tree, { described, layout, version, scripts });
  } finally {
    process.umask(before);
  }
  const file = join(into, `${name}_${debianVersion(version)}_${architecture}.deb`);
  execFileSync("dpkg-deb", ["--root-owner-group", ...COMPRESSION, "--build", tree, `${file}.new`], {
    env: { ...process.env, ...ONE_THREAD, SOURCE_DATE_EPOCH: String(seconds) },
    stdio: ["ignore", "ignore", "inherit"],
  });
  renameSync(`${file}.new`, file);
  rmSync(tree, { recursive: true });
  return file;
}

function place(root: string, content: Content, to: string): void {
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

type Control = Pick<Order, "described" | "layout" | "version" | "scripts">;

/** The directory DEBIAN. */
function layControl(tree: string, { described, layout, version, scripts }: Control): void {
  const control = controlFile(described, version, kilobytesOf(tree));
  const sums = checksums(tree, layout);
  const directory = join(tree, "DEBIAN");
  mkdirSync(directory);
  writeFileSync(join(directory, "control"), control);
  writeFileSync(join(directory, "md5sums"), sums);
  for (const script of readdirSync(scripts).filter((file) => /^(?:pre|post)(?:inst|rm)$/.test(file))) {
    copyFileSync(join(scripts, script), join(directory, script));
    chmodSync(join(directory, script), 0o755);
  }
}
