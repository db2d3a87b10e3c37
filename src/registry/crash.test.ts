/** kill -9 at any moment: uploads go on where they were, and whatever was answered is there. */
import { expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seeded } from "../../test/support/random.ts";
import { sha256Of } from "../specs/oci-image/digest.ts";
import { imageOf, OCI_MANIFEST } from "./testing/registry-host.ts";

const KILLS = 10;
const BLOB = Buffer.alloc(24 << 20);
for (let i = 0; i < BLOB.length; i += 4) BLOB.writeUInt32LE((i * 2654435761) >>> 0, i);

class Served {
  readonly #child: ChildProcess;
  readonly port: number;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(root: string): Promise<Served> {
    const script = join(import.meta.dirname, "testing/serve.ts");
    const child = spawn(process.execPath, [script, root], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = await once(child.stdout, "data");
    return new Served(child, Number(String(line)));
  }

  async kill(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    expect(await exited).toEqual([null, "SIGKILL"]);
  }

  async ask(
    method: string,
    path: string,
    body = "",
  ): Promise<{ status: number; header: (name: string) => string }> {
    const headers = { "Content-Length": String(body.length), "Content-Type": OCI_MANIFEST };
    const call = request({ host: "127.0.0.1", port: this.port, method, path, agent: false, headers });
    call.end(body);
    const [response] = await once(call, "response");
    response.resume();
    await once(response, "end");
    return { status: response.statusCode, header: (name) => String(response.headers[name] ?? "") };
  }

  /** Sends the blob from `start` on as one chunk; resolves when it is sent or the registry is gone. */
  async send(location: string, start: number): Promise<void> {
    const socket = connect(this.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.resume();
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    socket.on("close", () => resolve());
    const length = BLOB.length - start;
    socket.write(
      `PATCH ${location} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${length}\r\nContent-Range: ${start}-${BLOB.length - 1}\r\n\r\n`,
    );
    socket.write(BLOB.subarray(start));
    await closed;
  }
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
      const sending = served.send(location, start);
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
    if (start < BLOB.length) await served.send(location, start);
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
