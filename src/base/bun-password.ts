/** bcrypt (Provos and Mazières, 1999) as the runtime has it: on a thread of its own, where a slow password is nobody else's delay. */
import { fail } from "./errors.ts";
import { IS_BUN } from "./bun.ts";

/** Whether `hash`, in the form of crypt(3), is of this password. Throws `unavailable` under Node, which has no bcrypt. */
export async function matchesBcrypt(password: string, hash: string): Promise<boolean> {
  if (!IS_BUN) throw fail("unavailable", "cannot check a bcrypt password: this runtime knows no bcrypt");
  return password !== "" && (await Bun.password.verify(password, hash, "bcrypt"));
}
