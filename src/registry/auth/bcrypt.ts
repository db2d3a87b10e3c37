/**
 * Passwords as `htpasswd -B` keeps them: bcrypt (Provos and Mazières, "A Future-Adaptable Password Scheme", 1999), in slices
 * of about two milliseconds, so that a slow password is nobody else's delay.
 */
import { timingSafeEqual } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { blowfishTables } from "./blowfish-tables.ts";

/** What one line of the file says. */
export interface BcryptHash {
  readonly cost: number;
  readonly salt: Uint8Array;
  readonly digest: Uint8Array;
}

const FORMAT = /^\$2[aby]\$(\d\d)\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/;
/** 16 would be some five seconds a password. */
const MAX_COST = 16;
const MIN_COST = 4;
const DIGITS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const MAX_KEY_BYTES = 72;
const SLICE_MS = 2;
/** "OrpheanBeholderScryDoubt", which is what is encrypted. */
const TEXT = [0x4f727068, 0x65616e42, 0x65686f6c, 0x64657253, 0x63727944, 0x6f756274];

/** Undefined for anything else than a bcrypt hash of a cost that can be paid. */
export function parseBcrypt(text: string): BcryptHash | undefined {
  const match = FORMAT.exec(text);
  const cost = Number(match?.[1]);
  if (match === null || cost < MIN_COST || cost > MAX_COST) return undefined;
  return { cost, salt: decode64(match[2] ?? "", 16), digest: decode64(match[3] ?? "", 23) };
}

/** Takes as long for a wrong password as for the right one. Only the first 72 bytes count, as everywhere. */
export async function matchesBcrypt(password: string, hash: BcryptHash): Promise<boolean> {
  return timingSafeEqual(await bcryptDigest(password, hash.salt, hash.cost), hash.digest);
}

async function bcryptDigest(password: string, salt: Uint8Array, cost: number): Promise<Uint8Array> {
  const key = Buffer.from(`${password}\0`).subarray(0, MAX_KEY_BYTES);
  const state = new Blowfish();
  const keyWords = cycled(key);
  const saltWords = cycled(salt);
  state.expand(keyWords, saltWords);
  let sliceEnd = performance.now() + SLICE_MS;
  for (let round = 0; round < 2 ** cost; round++) {
    state.expand(keyWords, undefined);
    state.expand(saltWords, undefined);
    if (performance.now() < sliceEnd) continue;
    await setImmediate();
    sliceEnd = performance.now() + SLICE_MS;
  }
  const output = Buffer.alloc(24);
  for (let i = 0; i < 6; i += 2) {
    state.set(TEXT[i] ?? 0, TEXT[i + 1] ?? 0);
    for (let n = 0; n < 64; n++) state.encipher();
    output.writeInt32BE(state.left, i * 4);
    output.writeInt32BE(state.right, i * 4 + 4);
  }
  // The last byte is not part of the hash: a mistake of the first implementation that all others keep.
  return output.subarray(0, 23);
}

/** 18 words of the bytes over and over. */
function cycled(bytes: Uint8Array): Int32Array {
  return Int32Array.from({ length: 18 }, (_, word) => {
    let value = 0;
    for (let i = 0; i < 4; i++) value = (value << 8) | (bytes[(word * 4 + i) % bytes.length] ?? 0);
    return value;
  });
}

class Blowfish {
  readonly #subkeys: Int32Array;
  readonly #boxes: Int32Array;
  left = 0;
  right = 0;

  constructor() {
    const tables = blowfishTables();
    this.#subkeys = tables.subkeys.slice();
    this.#boxes = tables.boxes.slice();
  }

  set(left: number, right: number): void {
    this.left = left | 0;
    this.right = right | 0;
  }

  encipher(): void {
    const p = this.#subkeys;
    const s = this.#boxes;
    let l = this.left ^ at(p, 0);
    let r = this.right;
    for (let i = 1; i <= 16; i += 2) {
      r ^=
        ((((at(s, l >>> 24) + at(s, 256 + ((l >>> 16) & 255))) ^ at(s, 512 + ((l >>> 8) & 255))) +
          at(s, 768 + (l & 255))) |
          0) ^
        at(p, i);
      l ^=
        ((((at(s, r >>> 24) + at(s, 256 + ((r >>> 16) & 255))) ^ at(s, 512 + ((r >>> 8) & 255))) +
          at(s, 768 + (r & 255))) |
          0) ^
        at(p, i + 1);
    }
    this.left = r ^ at(p, 17);
    this.right = l;
  }

  /** The salt's four words take turns; none is a salt of zeros. */
  expand(key: Int32Array, salt: Int32Array | undefined): void {
    const p = this.#subkeys;
    for (let i = 0; i < 18; i++) p[i] = at(p, i) ^ at(key, i);
    this.set(0, 0);
    let turn = 0;
    for (const table of [p, this.#boxes])
      for (let i = 0; i < table.length; i += 2) {
        if (salt !== undefined) {
          this.left ^= at(salt, turn & 3);
          this.right ^= at(salt, (turn + 1) & 3);
          turn += 2;
        }
        this.encipher();
        table[i] = this.left;
        table[i + 1] = this.right;
      }
  }
}

/** The index is always within; the compiler cannot know. */
function at(table: Int32Array, index: number): number {
  return table[index] ?? 0;
}

/** bcrypt's own base64: another alphabet, no padding. */
function decode64(text: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let bits = 0;
  let value = 0;
  let filled = 0;
  for (const digit of text) {
    value = (value << 6) | DIGITS.indexOf(digit);
    bits += 6;
    if (bits >= 8 && filled < length) {
      bits -= 8;
      bytes[filled++] = (value >> bits) & 255;
    }
  }
  return bytes;
}
