import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seeded } from "../../../test/support/random.ts";
import { NO_LOG } from "../../base/log.ts";
import type { Content } from "./content.ts";
import { openContent } from "./local-store.ts";
import { BLOB_DIGEST, BLOB_NAME, blobBytes } from "./testing/long-blob.ts";

const KILLS = 15;
/** From "ready" on; the child needs about this long for its blob. */
const LATEST_KILL_MS = 60;

async function killWriter(root: string, delayMs: number): Promise<void> {
  const script = join(import.meta.dirname, "testing/ingest-until-killed.ts");
  const child = spawn(process.execPath, [script, root], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  await once(child.stdout, "data");
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  child.kill("SIGKILL");
  expect(await exited).toEqual([null, "SIGKILL"]);
}

/** Every byte is the right one: of the blob when there is one, and of the partial blob, whose size is returned. */
async function checkPrefix(root: string, content: Content): Promise<number> {
  expect(readdirSync(join(root, "ingest"))).toEqual([]);
  for (const { digest } of content.list()) {
    expect(digest).toBe(BLOB_DIGEST);
    for await (const _ of content.open(digest, { verify: true })) continue;
  }
  const partials = content.partials();
  expect(partials.length).toBeLessThanOrEqual(1);
  const [partial] = partials;
  if (partial === undefined) return 0;
  const bytes = readFileSync(join(root, "partial", BLOB_NAME));
  expect(bytes.length).toBe(partial.sizeBytes);
  expect(bytes.equals(blobBytes(0, bytes.length))).toBe(true);
  return bytes.length;
}

test("a named ingest that is killed at any moment goes on where it was", async () => {
  const random = seeded("kills while ingesting");
  const root = mkdtempSync(join(tmpdir(), "content-"));
  const found: number[] = [];
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      await killWriter(root, random() * LATEST_KILL_MS);
      found.push(await checkPrefix(root, openContent(root, NO_LOG)));
    }
    const last = openContent(root, NO_LOG);
    const ingest = await last.begin({ holdBlob: () => {} }, BLOB_NAME);
    await ingest.write(blobBytes(ingest.sizeBytes, Number.MAX_SAFE_INTEGER));
    await ingest.commit({ digest: BLOB_DIGEST });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  console.log(`bytes found after each kill: ${found.join(" ")}`);
  expect(found.filter((bytes) => bytes > 0).length).toBeGreaterThan(0);
}, 60_000);
