/** The machine's disk, kernel and initrd: built once from Debian packages, kept by the key of its recipe. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "../run.ts";
import { makeWorkDirectory } from "./work-directory.ts";

/** Outside the checkout: shared by all of them, and no test runner looks for tests in it. `GANTRY_VM_CACHE` moves it. */
export const CACHE = process.env["GANTRY_VM_CACHE"] ?? "/var/cache/gantry-vm";
/** debootstrap over a slow line; three quarters of a minute are usual. */
const BUILD_TIMEOUT_MS = 10 * 60_000;

export interface BaseImage {
  /** An ext4 file system with systemd, never written to: machines write to a throw-away layer. */
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

/** Throws when it cannot be built, with the end of what the build said. `say` is told before work that takes a while. */
export async function baseImage(say: (line: string) => void): Promise<BaseImage> {
  const script = join(import.meta.dirname, "build-base.sh");
  const hash = createHash("sha256");
  for (const path of [script, join(import.meta.dirname, "guest/init")]) hash.update(readFileSync(path));
  const home = join(CACHE, `base-${hash.digest("hex").slice(0, 16)}`);
  if (!existsSync(home)) {
    say(`building the test machine's disk in ${CACHE} (once; about a minute)`);
    await build(script, home);
  }
  return { disk: join(home, "root.img"), kernel: join(home, "vmlinuz"), initrd: join(home, "initrd") };
}

/** Aside, then renamed: whoever finds `home` finds it whole. Two builders at once: the second one's work is dropped. */
async function build(script: string, home: string): Promise<void> {
  const work = makeWorkDirectory(CACHE);
  try {
    const isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"];
    const command = ["setpriv", "--pdeathsig", "KILL", ...isolated, "sh", script, work];
    const done = await run(command, { timeoutMs: BUILD_TIMEOUT_MS });
    if (done.code !== 0)
      throw new Error(`${script}: exit ${done.code}\n${(done.stdout + done.stderr).slice(-3000)}`);
    if (!existsSync(home)) renameSync(work, home);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
