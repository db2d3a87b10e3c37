/** A connection with TLS. `node:tls` costs a start some milliseconds: only who needs it loads this. */
import { connect, type ConnectionOptions } from "node:tls";
import { nodeStream } from "../base/bun-socket.ts";
import { type ByteStream, READ_AHEAD_BYTES } from "../base/byte-stream.ts";
import { errnoOf, fail } from "../base/errors.ts";

export interface TlsOptions {
  /** PEM; "" = none. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly skipVerify: boolean;
}

const HANDSHAKE_MS = 30_000;

/** Rejects with the system's or the handshake's error. */
export async function connectTls(
  { host, port }: { readonly host: string; readonly port: number },
  { ca, cert, key, skipVerify }: TlsOptions,
): Promise<ByteStream> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const options: ConnectionOptions & { readonly allowHalfOpen: true } = {
    host,
    port,
    ...(ca === "" ? {} : { ca }),
    ...(cert === "" || key === "" ? {} : { cert, key }),
    rejectUnauthorized: !skipVerify,
    minVersion: "TLSv1.2",
    ALPNProtocols: ["http/1.1"],
    allowHalfOpen: true,
  };
  const socket = connect(options, resolve);
  socket.once("error", reject);
  socket.once("close", () => reject(Object.assign(new Error("connection closed"), { code: "ECONNRESET" })));
  const timer = setTimeout(() => {
    reject(Object.assign(new Error("TLS handshake timed out"), { code: "ETIMEDOUT" }));
    socket.destroy();
  }, HANDSHAKE_MS);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
  }
  const stream = nodeStream(socket, READ_AHEAD_BYTES);
  return {
    // With TLS 1.3 the engine looks at our certificate after we think that all is well.
    read: () => stream.read().catch(refused),
    write: (bytes) => stream.write(bytes).catch(refused),
    endWrite: () => stream.endWrite(),
    close: () => stream.close(),
  };
}

function refused(error: unknown): never {
  const code = errnoOf(error) ?? "";
  if (!code.startsWith("ERR_SSL_")) throw error;
  const why = code.endsWith("_CERTIFICATE_REQUIRED")
    ? "it wants a client certificate"
    : code
        .replace(/^ERR_SSL_(?:\w+_ALERT_)?/, "")
        .toLowerCase()
        .replaceAll("_", " ");
  throw fail("unavailable", `error during connect: the engine refused the TLS connection: ${why}`, error);
}
