/** Compressions for which a host has a program and the runtime has no code, as Docker does for xz. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { getuid } from "node:process";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errnoOf, fail, messageOf } from "../../base/errors.ts";

export type ProgramCompression = "bzip2" | "xz";

/** The memory that a stream may ask of xz: the most that `xz -9` makes needs 65 MiB. */
const XZ_MEMORY = "256MiB";
const MAX_SAID_CHARACTERS = 4096;
/** It reads what nobody has checked and needs nothing of the host: "nobody" by convention. */
const NOBODY = 65_534;

const COMMANDS: Readonly<Record<ProgramCompression, readonly string[]>> = {
  bzip2: ["-d", "-c"],
  xz: ["-d", "-c", "-q", `--memlimit-decompress=${XZ_MEMORY}`],
};

/**
 * The uncompressed bytes, at the pace of the reader; ending early ends program and source. Throws `unavailable` without the
 * program, `invalid_argument` for damaged data ("unexpected EOF" when it ends early), and passes on what the source throws.
 */
export async function* decompressByProgram(
  source: AsyncIterable<Uint8Array>,
  compression: ProgramCompression,
  searchPath = "/usr/local/bin:/usr/bin:/bin",
): AsyncGenerator<Uint8Array> {
  const child = spawn(compression, COMMANDS[compression], {
    stdio: ["pipe", "pipe", "pipe"],
    // Its errors are read below.
    env: { PATH: searchPath, LC_ALL: "C" },
    cwd: "/",
    ...(getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}),
  });
  const verdict = verdictOf(child, compression);
  const fed = feed(child, source);
  try {
    let broken: unknown;
    try {
      for await (const bytes of child.stdout) yield bytes;
    } catch (error) {
      broken = error; // the pipe of a program that is not there; the verdict says that better
    }
    const sourceFailure = await fed;
    if (sourceFailure !== undefined) throw sourceFailure.error;
    const wrong = (await verdict) ?? broken;
    if (wrong !== undefined) throw wrong;
  } finally {
    child.kill("SIGKILL");
    await Promise.all([fed, verdict]);
  }
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** What the source threw. A program that does not want any more of it says why by its end. */
async function feed(
  child: Child,
  source: AsyncIterable<Uint8Array>,
): Promise<{ readonly error: unknown } | undefined> {
  let failure: { readonly error: unknown } | undefined;
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      yield* source;
    } catch (error) {
      failure = { error };
      // What it has is only a part: it must not come to an orderly end.
      child.kill("SIGKILL");
      throw error;
    }
  }
  await pipeline(watched(), child.stdin).catch(() => {});
  return failure;
}

async function verdictOf(child: Child, compression: ProgramCompression): Promise<Error | undefined> {
  let said = "";
  child.stderr.setEncoding("utf8");
  child.stderr.on("data", (text: string) => {
    said = (said + text).slice(0, MAX_SAID_CHARACTERS);
  });
  try {
    const [code, signal] = await once(child, "close");
    // bzip2 ignores what follows its data, with a word about it.
    if (code === 0 && !said.includes("trailing garbage")) return undefined;
    if (/unexpected end of (input|file)|file ends unexpectedly/i.test(said))
      return fail("invalid_argument", "unexpected EOF");
    const why = said.trim().replace(/^\w+: (\(stdin\): )?\s*/, "") || String(signal ?? `exit status ${code}`);
    return fail("invalid_argument", `damaged ${compression} data: ${why.split("\n")[0] ?? ""}`);
  } catch (error) {
    // Returned, as all verdicts: nobody may be waiting for this one yet.
    const why = errnoOf(error) === "ENOENT" ? "executable file not found in $PATH" : messageOf(error);
    return fail("unavailable", `exec: "${compression}": ${why}`, error);
  }
}
