/**
 * A sink for logs as a process, for tests whose engine has a network of its own:
 *
 *     bun test/support/log-sink.ts tcp|udp|tls|fluentd [KEY CERTIFICATE]
 *
 * The first line on standard output is the port; each further one what came, hexadecimal: a piece of a stream or a datagram. A fluentd
 * acknowledges.
 */
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { unpack } from "../../src/core/logging/testing/unpack.ts";

const [kind = "", key = "", cert = ""] = process.argv.slice(2);

function tell(bytes: Buffer): void {
  process.stdout.write(`${bytes.toString("hex")}\n`);
}

function listen(server: Server): void {
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    process.stdout.write(`${typeof address === "object" ? address?.port : ""}\n`);
  });
}

function take(socket: Socket): void {
  socket.on("error", () => {});
  socket.on("data", (bytes: Buffer) => tell(bytes));
}

/** One whole message a line. */
function takeFluentd(socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("error", () => {});
  socket.on("data", (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    for (;;) {
      const message = unpacked(rest);
      if (message === undefined) return;
      const [value, after] = message;
      tell(rest.subarray(0, rest.length - after.length));
      rest = after;
      const option: unknown = Array.isArray(value) ? value[2] : undefined;
      const chunk: unknown = option instanceof Map ? option.get("chunk") : undefined;
      if (!Buffer.isBuffer(chunk)) continue;
      socket.write(
        Buffer.concat([
          Buffer.from([0x81, 0xa3]),
          Buffer.from("ack"),
          Buffer.from([0xa0 | chunk.length]),
          chunk,
        ]),
      );
    }
  });
}

function unpacked(bytes: Buffer): ReturnType<typeof unpack> | undefined {
  try {
    return unpack(bytes);
  } catch {
    return undefined;
  }
}

switch (kind) {
  case "tcp":
    listen(createServer(take));
    break;
  case "fluentd":
    listen(createServer(takeFluentd));
    break;
  case "tls":
    listen(createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, take));
    break;
  case "udp": {
    const socket = createSocket("udp4", (bytes) => tell(bytes));
    socket.bind(0, "127.0.0.1", () => process.stdout.write(`${socket.address().port}\n`));
    break;
  }
  default:
    throw new Error(`what is a sink of kind "${kind}"?`);
}
