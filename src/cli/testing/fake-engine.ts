/** Whole command lines against an engine that a node:http server plays. */
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import type { Sink } from "../../base/bun-stdio.ts";
import { ownCaller } from "../caller.ts";
import { dispatch } from "../dispatch.ts";

const cleanups: (() => void)[] = [];

/** For afterEach(): stops engines and removes their directories. */
export function cleanUp(): void {
  for (const undo of cleanups.splice(0).reverse()) undo();
}

export function temporaryDirectory(): string {
  const dir = mkdtempSync(join(tmpdir(), "gantry-cli-"));
  cleanups.push(() => rmSync(dir, { recursive: true }));
  return dir;
}

export interface Call {
  readonly method: string;
  readonly url: string;
  readonly body: string;
}

export type Answer = (call: Call, response: http.ServerResponse) => void;

export class FakeEngine {
  readonly calls: Call[] = [];
  readonly directory = temporaryDirectory();
  readonly socket = join(this.directory, "engine.sock");
  onUpgrade: (socket: Duplex, call: Call) => void = (socket) => socket.destroy();

  async start(answer: Answer): Promise<this> {
    const server = http.createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const call = {
          method: request.method ?? "",
          url: (request.url ?? "").replace(/^\/v1\.51/, ""),
          body: Buffer.concat(chunks).toString(),
        };
        this.calls.push(call);
        answer(call, response);
      });
    });
    server.on("upgrade", (request, socket: Duplex) => {
      const call = {
        method: request.method ?? "",
        url: (request.url ?? "").replace(/^\/v1\.51/, ""),
        body: "",
      };
      this.calls.push(call);
      socket.on("error", () => {});
      socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
      this.onUpgrade(socket, call);
    });
    await new Promise<void>((resolve) => {
      server.listen(this.socket, resolve);
    });
    cleanups.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return this;
  }

  /** DOCKER_HOST for gantry(). */
  get variables(): Record<string, string> {
    return { DOCKER_HOST: `unix://${this.socket}` };
  }

  urls(): string[] {
    return this.calls.map((call) => `${call.method} ${call.url}`);
  }
}

export interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export async function gantry(
  words: string[],
  variables: Record<string, string> = {},
  home = "/nonexistent",
): Promise<Outcome> {
  let out = "";
  let err = "";
  const sink = (take: (text: string) => void): Sink => ({
    async write(bytes) {
      take(typeof bytes === "string" ? bytes : Buffer.from(bytes).toString());
    },
  });
  const status = await dispatch(
    {
      program: "gantry",
      version: "9.9.9",
      environment: new Map(Object.entries(variables)),
      workingDirectory: "/work",
      homeDirectory: home,
      userId: 1000,
      engineCommand: { file: "/nonexistent/gantry", argv0: "gantryd", words: ["daemon"] },
      nativeShim: () => Promise.resolve(join(import.meta.dirname, "..", "..", "..", "build", "gantry-shim")),
      caller: ownCaller(),
    },
    { out: sink((text) => (out += text)), err: sink((text) => (err += text)) },
    words,
  );
  return { status, out, err };
}

export function fail(response: http.ServerResponse, status: number, message: string): void {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ message }));
}
