/** Memory does not follow what is sent or read: of a process of its own, since this one holds the other end. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHash } from "node:crypto";
import { Served } from "./testing/served.ts";

const MIB = 1 << 20;
const PIECE = Buffer.alloc(MIB, 7);
const PIECES = 256;
/** What buffers of sockets, of the disk's queue and of the collector may take beside a process that is at rest. */
const ALLOWED_BYTES = 128 * MIB;

let root = "";
let served: Served;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "registry-"));
  served = await Served.start(root);
});
afterAll(async () => {
  await served.kill();
  rmSync(root, { recursive: true, force: true });
});

async function growth(work: () => Promise<void>): Promise<number> {
  const before = served.memoryBytes;
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, served.memoryBytes);
  }, 10);
  try {
    await work();
  } finally {
    clearInterval(watch);
  }
  return peak - before;
}

const digest = (() => {
  const hash = createHash("sha256");
  for (let i = 0; i < PIECES; i++) hash.update(PIECE);
  return `sha256:${hash.digest("hex")}`;
})();

test("while a blob is pushed without saying how long it is", async () => {
  const location = (await served.ask("POST", "/v2/a/blobs/uploads/")).header("location");
  function* chunks(): Generator<Uint8Array> {
    for (let i = 0; i < PIECES; i++) {
      yield Buffer.from(`${MIB.toString(16)}\r\n`);
      yield PIECE;
      yield Buffer.from("\r\n");
    }
    yield Buffer.from("0\r\n\r\n");
  }
  const head = `PATCH ${location} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const grown = await growth(async () => void (await served.exchange(head, chunks())));
  expect(grown).toBeLessThan(ALLOWED_BYTES);
  expect((await served.ask("PUT", `${location}?digest=${digest}`)).status).toBe(201);
}, 60_000);

test("while sixteen clients pull it", async () => {
  const head = `GET /v2/a/blobs/${digest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
  const grown = await growth(async () => {
    const received = await Promise.all(Array.from({ length: 16 }, () => served.exchange(head)));
    for (const bytes of received) expect(bytes).toBeGreaterThan(PIECES * MIB);
  });
  expect(grown).toBeLessThan(ALLOWED_BYTES);
}, 60_000);

test("while manifests are refused for their size", async () => {
  const grown = await growth(async () => {
    const head =
      "PUT /v2/a/manifests/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9000000000\r\n\r\n";
    function* endless(): Generator<Uint8Array> {
      for (let i = 0; i < 64; i++) yield PIECE;
    }
    await Promise.all(Array.from({ length: 16 }, () => served.exchange(head, endless())));
  });
  expect(grown).toBeLessThan(ALLOWED_BYTES);
  expect((await served.ask("GET", "/v2/")).status).toBe(200);
}, 60_000);
