/** kill -9 at any moment: uploads go on where they were, and whatever was answered is there. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seeded } from "../../test/support/random.ts";
import { sha256Of } from "../specs/oci-image/digest.ts";
import { imageOf } from "./testing/registry-host.ts";
import { Served } from "./testing/served.ts";

const KILLS = 10;
const BLOB = Buffer.alloc(24 << 20);
for (let i = 0; i < BLOB.length; i += 4) BLOB.writeUInt32LE((i * 2654435761) >>> 0, i);

/** Sends the blob from `start` on as one chunk; resolves when it is sent or the registry is gone. */
async function send(served: Served, location: string, start: number): Promise<void> {
  const end = BLOB.length - 1;
  const head = `PATCH ${location} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n`;
  const range = `Content-Length: ${BLOB.length - start}\r\nContent-Range: ${start}-${end}\r\n\r\n`;
  await served.exchange(head + range, [BLOB.subarray(start)]);
}

function received(range: string): number {
  const end = Number(/^0-(\d+)$/.exec(range)?.[1]);
  return end === 0 ? 0 : end + 1;
}

test("a registry that is killed at any moment", async () => {
  const random = seeded("kills of a registry");
  const root = mkdtempSync(join(tmpdir(), "registry-"));
  const digest = sha256Of(BLOB);
  const found: number[] = [];
  let served = await Served.start(root);
  try {
    let location = (await served.ask("POST", "/v2/a/blobs/uploads/")).header("location");
    const config = { digest: sha256Of("{}"), size: 2 };
    await served.ask("POST", `/v2/a/blobs/uploads/?digest=${config.digest}`, "{}");
    for (let kill = 0; kill < KILLS; kill++) {
      const manifest = JSON.stringify({ ...imageOf(config), annotations: { kill: String(kill) } });
      expect((await served.ask("PUT", `/v2/a/manifests/t${kill}`, manifest)).status).toBe(201);
      const start = received((await served.ask("GET", location)).header("range"));
      const sending = send(served, location, start);
      await new Promise((resolve) => setTimeout(resolve, random() * 40));
      await served.kill();
      await sending;
      served = await Served.start(root);
      const head = await served.ask("HEAD", `/v2/a/manifests/t${kill}`);
      expect([head.status, head.header("docker-content-digest")]).toEqual([200, sha256Of(manifest)]);
      const status = await served.ask("GET", location);
      expect(status.status).toBe(204);
      found.push(received(status.header("range")));
      if (found.at(-1) === BLOB.length)
        location = (await served.ask("POST", "/v2/a/blobs/uploads/")).header("location");
    }
    const start = received((await served.ask("GET", location)).header("range"));
    if (start < BLOB.length) await send(served, location, start);
    expect((await served.ask("PUT", `${location}?digest=${digest}`)).status).toBe(201);
    await served.kill();
    served = await Served.start(root);
    expect((await served.ask("HEAD", `/v2/a/blobs/${digest}`)).header("content-length")).toBe(
      String(BLOB.length),
    );
  } finally {
    await served.kill();
    rmSync(root, { recursive: true, force: true });
  }
  console.log(`bytes found after each kill: ${found.join(" ")}`);
  expect(found.filter((bytes) => bytes > 0 && bytes < BLOB.length).length).toBeGreaterThan(0);
}, 60_000);
