/** The checkout as a read-only disk: what tests need of it, the guest's own files and the job. */
import {
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "../engine.ts";
import { busyboxArchive } from "../images.ts";
import { must } from "../run.ts";
import type { Job } from "./machine.ts";

const SOURCES = ["package.json", "tsconfig.json", "src", "test", "native/test", "native/include"];
const BUILT = ["gantry", "gantryd", "gantry-runc", "gantry-shim", "gantry.node", "hello"];
const OTHERS = [
  "build/test-images/busybox-root.tar",
  "build/test-images/busybox.tar",
  "node_modules/bun/bin/bun.exe",
  "node_modules/.bin/bun",
];

/** Makes `project.img` in `work`. The script is run in the checkout's root inside the guest. */
export async function projectImage(
  work: string,
  { script, files = [] }: Pick<Job, "script" | "files">,
): Promise<string> {
  await busyboxArchive(); // made here, where it takes a second; the emulated machine would need long for it
  const stage = join(work, "stage");
  for (const name of [...(await projectFiles()), ...files]) place(name, join(stage, "project", name));
  layGuest(join(stage, "guest"), script);
  const image = join(work, "project.img");
  const kilobytes = Number((await must(["du", "-sk", stage])).split("\t")[0]);
  // A quarter on top is plenty for ext4's own tables.
  await must(["truncate", "-s", `${Math.ceil(kilobytes * 1.25) + 32_768}K`, image]);
  const format = ["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", "-d", stage, image];
  await must(format, { timeoutMs: 120_000 });
  rmSync(stage, { recursive: true });
  return image;
}

async function projectFiles(): Promise<string[]> {
  const list = ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "--", ...SOURCES];
  const listed = (await must(list)).split("\n").filter((name) => name !== "");
  const built = BUILT.map((name) => join("build", name));
  const programs = join("build", "test-programs");
  const compiled = existsSync(join(ROOT, programs)) ? readdirSync(join(ROOT, programs)) : [];
  return [...listed, ...built, ...compiled.map((name) => join(programs, name)), ...OTHERS].filter((name) =>
    existsSync(join(ROOT, name)),
  );
}

/** Linked where possible: nothing here is written to, and the executables are large. */
function place(name: string, to: string): void {
  const from = join(ROOT, name);
  mkdirSync(dirname(to), { recursive: true });
  try {
    if (lstatSync(from).isFile()) return linkSync(from, to);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EXDEV")) throw error;
  }
  cpSync(from, to, { verbatimSymlinks: true });
}

function layGuest(guest: string, job: string): void {
  const units = join(guest, "etc/systemd/system");
  const programs = join(guest, "usr/local/lib/gantry-vm");
  for (const directory of [units, programs]) mkdirSync(directory, { recursive: true });
  const own = join(import.meta.dirname, "guest");
  for (const unit of ["gantry-vm.target", "gantry-vm.service"]) cpSync(join(own, unit), join(units, unit));
  cpSync(join(own, "run"), join(programs, "run"));
  writeFileSync(join(programs, "job"), job);
}
