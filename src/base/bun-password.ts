/** bcrypt (Provos and Mazières, 1999) as the runtime has it: on a thread of its own, where a slow password is nobody else's delay. */
import { fail } from "./errors.ts";
import { IS_BUN } from "./bun.ts";

/** What bcrypt looks at. Everybody cuts off the rest, except this runtime, which then hashes twice. */
const MAX_KEY_BYTES = 72;

/** Whether `hash`, in the form of crypt(3), is of this password. Throws `unavailable` under Node, which has no bcrypt. */
export async function matchesBcrypt(password: string, hash: string): Promise<boolean> {
  if (!IS_BUN) throw fail("unavailable", "cannot check a bcrypt password: this runtime knows no bcrypt");
  const key = Buffer.from(password).subarray(0, MAX_KEY_BYTES);
  return key.length > 0 && (await Bun.password.verify(key, hash, "bcrypt"));
}
