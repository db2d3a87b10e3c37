/**
 * Users and their passwords: a file of `htpasswd -B`, read again when it has changed. What a password costs to check is
 * paid once for some minutes, one at a time, and also for users that are not there, who are so not to be told apart.
 */
import { createHmac, randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { fail, messageOf } from "../../base/errors.ts";
import { Limiter } from "../../base/limiter.ts";
import { matchesBcrypt } from "../../base/bun-password.ts";
import { refuse } from "../refusal.ts";

export interface Passwords {
  /** Throws TOOMANYREQUESTS when too many wait for theirs to be checked. */
  verify(user: string, password: string): Promise<boolean>;
}

/** As `htpasswd -B` writes them. */
const HASH = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
/** More would be some seconds a password. */
const MAX_COST = 16;
const MIN_COST = 4;
const MAX_BYTES = 1 << 20;
const MAX_USER = 255;
const MAX_PASSWORD = 1024;
const MAX_WAITING = 32;
const REMEMBER_MS = 5 * 60_000;
const MAX_REMEMBERED = 1000;

/** `now` in milliseconds. Throws `invalid_argument` when the file cannot be read now. */
export function openHtpasswd(path: string, now: () => number): Passwords {
  return new Htpasswd(path, now);
}

export function parseHtpasswd(text: string): ReadonlyMap<string, string> {
  const users = new Map<string, string>();
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    const user = line.slice(0, Math.max(0, colon));
    const hash = line.slice(colon + 1);
    const cost = costOf(hash);
    if (user === "" || user.length > MAX_USER || !(cost >= MIN_COST && cost <= MAX_COST))
      throw fail(
        "invalid_argument",
        `line ${index + 1} is not "user:bcrypt hash" (as htpasswd -B writes it)`,
      );
    users.set(user, hash);
  }
  return users;
}

/** NaN of what is no bcrypt hash. */
function costOf(hash: string): number {
  return Number(HASH.exec(hash)?.[1]);
}

class Htpasswd implements Passwords {
  readonly #path: string;
  readonly #now: () => number;
  /** What is remembered is worth nothing to whoever reads this process's memory later. */
  readonly #secret = randomBytes(32);
  readonly #one = new Limiter(1);
  readonly #remembered = new Map<string, number>();
  #users: ReadonlyMap<string, string>;
  #stamp: string;
  #waiting = 0;

  constructor(path: string, now: () => number) {
    this.#path = path;
    this.#now = now;
    try {
      this.#stamp = this.#currentStamp();
      this.#users = this.#read();
    } catch (cause) {
      throw fail("invalid_argument", `cannot read the users of "${path}": ${messageOf(cause)}`, cause);
    }
  }

  async verify(user: string, password: string): Promise<boolean> {
    if (user.length > MAX_USER || password.length > MAX_PASSWORD) return false;
    this.#refresh();
    const key = createHmac("sha256", this.#secret).update(`${user}\0${password}`).digest("base64");
    if ((this.#remembered.get(key) ?? 0) > this.#now()) return true;
    if (this.#waiting >= MAX_WAITING) throw refuse("TOOMANYREQUESTS", { headers: { "Retry-After": "5" } });
    this.#waiting++;
    try {
      return await this.#one.run(() => this.#check(user, password, key));
    } finally {
      this.#waiting--;
    }
  }

  async #check(user: string, password: string, key: string): Promise<boolean> {
    const hash = this.#users.get(user);
    const matches = await matchesBcrypt(password, hash ?? this.#nobody());
    if (!matches || hash === undefined || this.#users.get(user) !== hash) return false;
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(key, this.#now() + REMEMBER_MS);
    return true;
  }

  /** A hash that nothing matches and that costs what the others do. */
  #nobody(): string {
    const cost = Math.max(5, ...Array.from(this.#users.values(), costOf));
    return `$2y$${String(cost).padStart(2, "0")}$${".".repeat(53)}`;
  }

  /** A file that cannot be read at the moment, because it is being replaced, changes nothing. */
  #refresh(): void {
    try {
      const stamp = this.#currentStamp();
      if (stamp === this.#stamp) return;
      this.#users = this.#read();
      this.#stamp = stamp;
      this.#remembered.clear();
    } catch {
      // what was read last still counts
    }
  }

  #currentStamp(): string {
    const { mtimeMs, size, ino } = statSync(this.#path);
    if (size > MAX_BYTES) throw fail("invalid_argument", `the file is larger than ${MAX_BYTES} bytes`);
    return `${mtimeMs} ${size} ${ino}`;
  }

  #read(): ReadonlyMap<string, string> {
    return parseHtpasswd(readFileSync(this.#path, "utf8"));
  }
}
