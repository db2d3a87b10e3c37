/** Loading the default profile into the kernel, which only apparmor_parser knows how to compile. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail, messageOf } from "../base/errors.ts";
import { runProgram } from "../base/process.ts";
import { DEFAULT_PROFILE, defaultProfile } from "./apparmor-profile.ts";

const PARSER_LIMITS = { timeoutMs: 30_000, maxBytes: 64 << 10 };
const LOADED = "/sys/kernel/security/apparmor/profiles";

/**
 * Makes the kernel know the profile as it is in this version: one of an earlier version is replaced, also under running
 * containers. Answers its name. Where that is impossible (no apparmor_parser) a loaded one is as good; without one it
 * throws `unavailable`, saying why. The text lies in `directory` for as long as it takes.
 */
export async function loadDefaultProfile(directory: string): Promise<string> {
  const file = join(directory, `${DEFAULT_PROFILE}.apparmor`);
  try {
    writeFileSync(file, defaultProfile(), { mode: 0o600 });
    const args = ["--replace", "--skip-cache", "--quiet", file];
    const { exitCode, stderr } = await runProgram("apparmor_parser", args, PARSER_LIMITS);
    if (exitCode === 0) return DEFAULT_PROFILE;
    throw fail("unavailable", `apparmor_parser: exit ${exitCode}: ${stderr.trim().slice(0, 1000)}`);
  } catch (error) {
    if (isEnforced(readLoaded(), DEFAULT_PROFILE)) return DEFAULT_PROFILE;
    const why = `cannot load the AppArmor profile "${DEFAULT_PROFILE}": ${messageOf(error)}`;
    throw fail("unavailable", why, error);
  } finally {
    rmSync(file, { force: true });
  }
}

/** The kernel lists one profile a line: `NAME (enforce)`. One that only complains confines nobody. */
export function isEnforced(profiles: string, name: string): boolean {
  return profiles.split("\n").includes(`${name} (enforce)`);
}

function readLoaded(): string {
  try {
    return readFileSync(LOADED, "utf8");
  } catch {
    return ""; // no securityfs here: nothing is known to be loaded
  }
}
