/**
 * The operator's own port: `GET /metrics`, `GET /healthz`, and `POST /gc`, which collects garbage and answers what went. It
 * asks nobody who they are, so it belongs on an address that only the operator reaches.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { messageOf } from "../base/errors.ts";
import { closeServer, type Endpoint, type Listener, listening } from "./listen.ts";
import { HEAD_TIMEOUT_MS, MAX_HEAD_BYTES } from "./limits.ts";
import type { Registry } from "./registry.ts";

interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export async function listenAdmin(registry: Registry, endpoint: Endpoint): Promise<Listener> {
  const server = createServer(
    { maxHeaderSize: MAX_HEAD_BYTES, headersTimeout: HEAD_TIMEOUT_MS },
    (request, response) => {
      request.resume();
      void answer(registry, request, response);
    },
  );
  const port = await listening(server, endpoint);
  return { port, close: (graceMs) => closeServer(server, graceMs) };
}

async function answer(registry: Registry, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, type, body } = await pageOf(registry, `${request.method} ${request.url}`);
  const bytes = Buffer.from(body);
  response.writeHead(status, { "Content-Type": type, "Content-Length": bytes.length });
  response.end(bytes);
}

async function pageOf(registry: Registry, asked: string): Promise<Page> {
  switch (asked) {
    case "GET /healthz":
      return { status: 200, type: "application/json", body: "{}\n" };
    case "GET /metrics":
      return { status: 200, type: "text/plain; version=0.0.4; charset=utf-8", body: registry.metrics() };
    case "POST /gc":
      try {
        return json(200, await registry.collect());
      } catch (error) {
        return json(500, { message: messageOf(error) });
      }
    default:
      return json(404, { message: "page not found" });
  }
}

function json(status: number, value: unknown): Page {
  return { status, type: "application/json", body: `${JSON.stringify(value)}\n` };
}
