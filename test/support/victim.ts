/** A piece of the host that nothing in a container may change or read: files with secrets, watched. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect } from "bun:test";

export class Victim {
  readonly dir: string;
  readonly secret: string;
  readonly #before: string;

  constructor(dir: string) {
    this.dir = dir;
    this.secret = `secret-${Math.random().toString(36).slice(2)}`;
    mkdirSync(join(dir, "sub"), { recursive: true });
    writeFileSync(join(dir, "file"), this.secret, { mode: 0o600 });
    writeFileSync(join(dir, "sub", "file"), this.secret, { mode: 0o640 });
    chmodSync(dir, 0o755);
    this.#before = listing(dir);
  }

  expectUntouched(when: string): void {
    expect(listing(this.dir), when).toBe(this.#before);
  }
}

/** Names, kinds, modes, owners, sizes and contents. */
function listing(dir: string): string {
  const lines: string[] = [];
  const pending = [dir];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const st = lstatSync(at);
    const kind = st.isDirectory() ? "d" : st.isFile() ? "f" : st.isSymbolicLink() ? "l" : "?";
    const content = kind === "f" ? readFileSync(at, "utf8") : kind === "l" ? readlinkSync(at) : "";
    lines.push(
      [at, kind, st.mode.toString(8), st.uid, st.gid, kind === "d" ? "" : st.size, content].join(" "),
    );
    if (st.isDirectory()) for (const name of readdirSync(at)) pending.push(join(at, name));
  }
  return lines.sort().join("\n");
}
