import { fail } from "../base/errors.ts";

/** Also the name of a directory; the limit is that of a file name. */
const PATTERN = /^[A-Za-z0-9_+.-]{1,255}$/;

/** Throws `invalid_argument` in runc's words, which callers look for. */
export function checkContainerId(id: string): string {
  if (id === "") throw fail("invalid_argument", "container id cannot be empty");
  if (!PATTERN.test(id) || id === "." || id === "..")
    throw fail("invalid_argument", "invalid container ID format");
  return id;
}
