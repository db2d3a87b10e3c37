/** Names of volumes: Docker's grammar and words. Pure. */
import { fail } from "../../base/errors.ts";

/** A name is a directory's name, too. */
const MAX_BYTES = 255;

/** Throws `invalid_argument`. */
export function checkVolumeName(name: string): void {
  const refuse = (why: string): never => {
    throw fail("invalid_argument", `create ${name.slice(0, 300)}: ${why}`);
  };
  if (name.length === 1)
    refuse("volume name is too short, names should be at least two alphanumeric characters");
  if (!isVolumeName(name))
    refuse(
      `${JSON.stringify(name.slice(0, 300))} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    );
  if (name.length > MAX_BYTES) refuse(`volume name is too long, it has more than ${MAX_BYTES} characters`);
}

export function isVolumeName(name: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name);
}
