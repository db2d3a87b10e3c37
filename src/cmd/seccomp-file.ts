/** The seccomp profile that the daemon's configuration names, as `--security-opt seccomp=` takes it. */
import { errnoOf, fail, messageOf } from "../base/errors.ts";
import { readSmallFile } from "../base/rewrite-file.ts";
import { decodeProfile } from "../linux/seccomp-profile-decode.ts";

const MAX_PROFILE_BYTES = 1 << 20;

/** "builtin" and "unconfined" are themselves; of a file its content, which is a profile. Throws `invalid_argument`. */
export function readSeccomp(setting: string): string {
  if (setting === "builtin" || setting === "unconfined") return setting;
  const text = contentOf(setting);
  decodeProfile(text);
  return text;
}

function contentOf(path: string): string {
  const wrong = (why: string, cause?: unknown): Error =>
    fail("invalid_argument", `opening seccomp profile (${path}) failed: ${why}`, cause);
  let text: string | undefined;
  try {
    text = readSmallFile(path, MAX_PROFILE_BYTES);
  } catch (error) {
    throw errnoOf(error) === "ENOENT"
      ? wrong(`open ${path}: no such file or directory`, error)
      : wrong(messageOf(error), error);
  }
  if (text === undefined) throw wrong(`it is larger than ${MAX_PROFILE_BYTES} bytes`);
  return text;
}
