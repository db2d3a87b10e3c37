/**
 * Users and their passwords: a file of `htpasswd -B`, read again when it has changed. What a password costs to check is
 * paid once for some minutes, one at a time, and also for users that are not there, who are so not to be told apart.
 */
import { createHmac, randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { fail, messageOf } from "../../base/errors.ts";
import { Limiter } from "../../base/limiter.ts";
import { refuse } from "../refusal.ts";
import { type BcryptHash, matchesBcrypt, parseBcrypt } from "./bcrypt.ts";

export interface Passwords {
  /** Throws TOOMANYREQUESTS when too many wait for theirs to be checked. */
  verify(user: string, password: string): Promise<boolean>;
}

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

export function parseHtpasswd(text: string): ReadonlyMap<string, BcryptHash> {
  const users = new Map<string, BcryptHash>();
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    const user = line.slice(0, Math.max(0, colon));
    const hash = parseBcrypt(line.slice(colon + 1));
    if (user === "" || user.length > MAX_USER || hash === undefined)
      throw fail(
        "invalid_argument",
        `line ${index + 1} is not "user:bcrypt hash" (as htpasswd -B writes it)`,
      );
    users.set(user, hash);
  }
  return users;
}

class Htpasswd implements Passwords {
  readonly #path: string;
  readonly #now: () => number;
  /** What is remembered is worth nothing to whoever reads this process's memory later. */
  readonly #secret = randomBytes(32);
  readonly #one = new Limiter(1);
  readonly #remembered = new Map<string, number>();
  #users: ReadonlyMap<string, BcryptHash>;
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
  #nobody(): BcryptHash {
    const costs = Array.from(this.#users.values(), ({ cost }) => cost);
    return { cost: Math.max(5, ...costs), salt: Buffer.alloc(16), digest: Buffer.alloc(23) };
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

  #read(): ReadonlyMap<string, BcryptHash> {
    return parseHtpasswd(readFileSync(this.#path, "utf8"));
  }
}
