/**
 * `bun stream-probe.ts ADDRESS PORT MS`: sends numbered lines to an echo server for so long, and prints `StreamReport`. Fails when
 * the connection breaks, or a line is not what it should be.
 */
import { connect } from "node:net";

export interface StreamReport {
  readonly lines: number;
  /** Between one line's return and the next one's. */
  readonly longestGapMs: number;
}

const EVERY_MS = 10;

function fail(why: string): never {
  console.error(why);
  process.exit(1);
}

if (import.meta.main) {
  const [address = "", port = "", ms = ""] = process.argv.slice(2);
  let [sent, received, rest, last, longestGapMs] = [0, 0, "", performance.now(), 0];
  const socket = connect(Number(port), address);
  socket.on("error", (error) => fail(`broken after ${received} lines: ${error.message}`));
  socket.on("end", () => fail(`closed after ${received} lines`));
  socket.on("data", (bytes: Buffer) => {
    const lines = (rest + bytes.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== String(received++)) fail(`${line} in place of ${received - 1}`);
    longestGapMs = Math.max(longestGapMs, performance.now() - last);
    last = performance.now();
  });
  const sending = setInterval(() => socket.write(`${sent++}\n`), EVERY_MS);
  setTimeout(() => {
    clearInterval(sending);
    setTimeout(() => {
      if (received !== sent) fail(`${sent} lines sent, ${received} came back`);
      console.log(JSON.stringify({ lines: received, longestGapMs: Math.round(longestGapMs) }));
      process.exit(0);
    }, 1000);
  }, Number(ms));
}
