/**
 * Images for tests, made from what Debian's packages put on this machine; nothing is downloaded from a registry. Built
 * once, kept below build/test-images.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  readFileSync,
} from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { ROOT } from "./engine.ts";
import { must } from "./run.ts";

const STORE = join(ROOT, "build", "test-images");

/** A root file system around Debian's static busybox, as a plain tar. */
export async function busyboxRoot(): Promise<string> {
  return once("busybox-root.tar", async (work, target) => {
    for (const dir of ["bin", "etc", "tmp", "root", "proc", "sys", "dev", "var", "home/user"])
      mkdirSync(join(work, dir), { recursive: true });
    chmodSync(join(work, "tmp"), 0o1777);
    copyFileSync("/bin/busybox", join(work, "bin", "busybox"));
    chmodSync(join(work, "bin", "busybox"), 0o755);
    for (const name of (await must(["/bin/busybox", "--list"])).split("\n"))
      if (name !== "" && name !== "busybox") symlinkSync("busybox", join(work, "bin", name));
    writeFileSync(
      join(work, "etc/passwd"),
      "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:User:/home/user:/bin/sh\n",
    );
    writeFileSync(join(work, "etc/group"), "root:x:0:\nwheel:x:10:root,user\nuser:x:1000:\nstaff:x:50:\n");
    await must([
      "tar",
      "-C",
      work,
      "--sort=name",
      "--mtime=@0",
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      "-cf",
      target,
      ".",
    ]);
  });
}

/** busybox:latest as `docker save` would write it. */
export async function busyboxArchive(): Promise<string> {
  const root = await busyboxRoot();
  return once("busybox.tar", async (work, target) => {
    await dockerArchive({
      work,
      target,
      names: ["busybox:latest"],
      layers: [root],
      config: { Cmd: ["sh"], Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] },
    });
  });
}

/** A Debian root file system (debootstrap's minbase) as a plain tar. Takes a minute the first time. */
export async function debianRoot(): Promise<string> {
  return once("debian-root.tar", async (work, target) => {
    await must(["debootstrap", "--variant=minbase", "trixie", work], { timeoutMs: 600_000 });
    await must(["sh", "-c", 'rm -rf "$0"/var/cache/apt/archives/*.deb "$0"/var/lib/apt/lists/*', work]);
    await must(["tar", "-C", work, "-cf", target, "."], { timeoutMs: 120_000 });
  });
}

/** `debian:VARIANT` in one layer; variants differ in one small file, so none shares a layer with another. */
export async function debianArchive(variant: number): Promise<string> {
  const root = await debianRoot();
  return once(`debian-${variant}.tar`, async (work, target) => {
    const layer = join(work, "layer.tar");
    copyFileSync(root, layer);
    writeFileSync(join(work, "variant"), `${variant}\n`);
    await must(["tar", "-C", work, "-rf", layer, "variant"]);
    await dockerArchive({
      work: join(work, "archive"),
      target,
      names: [`debian:${variant}`],
      layers: [layer],
      config: { Cmd: ["bash"] },
    });
  });
}

export interface ArchiveParts {
  /** An empty directory to build in. */
  readonly work: string;
  readonly target: string;
  readonly names: readonly string[];
  /** Layer tars, base first; compressed ones keep their bytes, `diffIds` must then be given. */
  readonly layers: readonly string[];
  readonly diffIds?: readonly string[];
  readonly config: Readonly<Record<string, unknown>>;
}

/** Writes a docker-archive (`manifest.json`) around finished layer tars. */
export async function dockerArchive(parts: ArchiveParts): Promise<void> {
  mkdirSync(parts.work, { recursive: true });
  const diffIds = parts.diffIds ?? parts.layers.map((layer) => `sha256:${sha256(readFileSync(layer))}`);
  const config = JSON.stringify({
    architecture: "amd64",
    os: "linux",
    created: "2024-01-01T00:00:00Z",
    config: parts.config,
    rootfs: { type: "layers", diff_ids: diffIds },
    history: parts.layers.map(() => ({ created: "2024-01-01T00:00:00Z", created_by: "test" })),
  });
  const configName = `${sha256(Buffer.from(config))}.json`;
  writeFileSync(join(parts.work, configName), config);
  const files = parts.layers.map((layer, index) => {
    const name = `layer${index}.tar`;
    copyFileSync(layer, join(parts.work, name));
    return name;
  });
  writeFileSync(
    join(parts.work, "manifest.json"),
    JSON.stringify([{ Config: configName, RepoTags: parts.names, Layers: files }]),
  );
  await must(["tar", "-C", parts.work, "-cf", parts.target, "manifest.json", configName, ...files]);
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function once(name: string, make: (work: string, target: string) => Promise<void>): Promise<string> {
  const path = join(STORE, name);
  if (existsSync(path)) return path;
  mkdirSync(STORE, { recursive: true });
  const work = mkdtempSync(join(STORE, "work-"));
  try {
    const target = join(STORE, `${name}.partial-${process.pid}`);
    const tree = join(work, "tree");
    mkdirSync(tree);
    await make(tree, target);
    renameSync(target, path);
    return path;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
