/**
 * Docker's `user[:group]` and `--group-add` by a strict grammar: what looks like a number is one and never looked up as a
 * name, what is out of range is refused. The look-up itself happens in the container's own root (docs/decisions/0002).
 */
import { fail } from "../../base/errors.ts";
import type { IdentityName } from "../../specs/oci-runtime/spec.ts";

/** Docker's own limit, below the kernel's. */
const MAX_ID = 0x7fff_ffff;

const MAX_NAME_BYTES = 256;

export interface UserWish {
  readonly user: IdentityName;
  readonly group: IdentityName;
}

/** "" = root, "1000", "name", "name:group", ":group". Throws `invalid_argument`. */
export function parseUser(text: string): UserWish {
  const parts = text.split(":");
  if (parts.length > 2) throw invalid(text);
  const [user = "", group = ""] = parts;
  return { user: parseIdentity(user, text), group: parseIdentity(group, text) };
}

/** One entry of `--group-add`: a number or a name, as text again. Throws `invalid_argument`. */
export function parseGroup(text: string): string {
  const identity = parseIdentity(text, text);
  if (identity.kind === "none") throw invalid(text);
  return identity.kind === "number" ? String(identity.id) : identity.name;
}

function parseIdentity(part: string, whole: string): IdentityName {
  if (part === "") return { kind: "none" };
  if (/^[+-]?[0-9]+$/.test(part)) return { kind: "number", id: parseId(part, whole) };
  // No name begins with a digit or a sign, so nothing that somebody may take for a number is looked up.
  if (!/^[A-Za-z_][\w.@\\+-]*\$?$/.test(part) || part.length > MAX_NAME_BYTES) throw invalid(whole);
  return { kind: "name", name: part };
}

function parseId(digits: string, whole: string): number {
  const id = Number(digits);
  if (!/^[0-9]+$/.test(digits) || id > MAX_ID)
    throw fail("invalid_argument", `uids and gids must be in range 0-${MAX_ID}`);
  // "00" is not how a number is written: somebody may want to get to 0 unseen.
  if (digits !== String(id)) throw invalid(whole);
  return id;
}

function invalid(text: string): Error {
  return fail("invalid_argument", `invalid user or group ${JSON.stringify(text.slice(0, 100))}`);
}
