import { fail } from "../base/errors.ts";

/** Who holds the terminal's master must be clear. Throws `invalid_argument` in runc's words. */
export function checkTerminal(terminal: boolean, detached: boolean, consoleSocket: string): void {
  if (detached && terminal && consoleSocket === "")
    throw fail("invalid_argument", "cannot allocate tty if runc will detach without setting console socket");
  if ((!detached || !terminal) && consoleSocket !== "")
    throw fail("invalid_argument", "cannot use console socket if runc will not detach or allocate tty");
}
