/** A registry in a process of its own (serve.ts), to be killed or measured. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { OCI_MANIFEST } from "./registry-host.ts";

export class Served {
  readonly #child: ChildProcess;
  readonly port: number;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(root: string): Promise<Served> {
    const script = join(import.meta.dirname, "serve.ts");
    const child = spawn(process.execPath, [script, root], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = await once(child.stdout, "data");
    return new Served(child, Number(String(line)));
  }

  /** Fine twice. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  /** Resident, now. */
  get memoryBytes(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  async ask(
    method: string,
    path: string,
    body = "",
  ): Promise<{ readonly status: number; readonly header: (name: string) => string }> {
    const headers = { "Content-Length": String(body.length), "Content-Type": OCI_MANIFEST };
    const call = request({ host: "127.0.0.1", port: this.port, method, path, agent: false, headers });
    call.end(body);
    const [response] = await once(call, "response");
    response.resume();
    await once(response, "end");
    return { status: response.statusCode, header: (name) => String(response.headers[name] ?? "") };
  }

  /** Writes a request as it is; resolves with the number of bytes of the answer when the connection closes. */
  async exchange(head: string, body: Iterable<Uint8Array> = []): Promise<number> {
    const socket = connect(this.port, "127.0.0.1");
    let received = 0;
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    socket.on("close", () => resolve());
    socket.write(head);
    for (const bytes of body) {
      if (socket.destroyed) break;
      if (socket.write(bytes)) continue;
      const { promise: drained, resolve: setDrained } = Promise.withResolvers<void>();
      socket.once("drain", setDrained);
      await Promise.race([drained, closed]);
    }
    await closed;
    return received;
  }
}
