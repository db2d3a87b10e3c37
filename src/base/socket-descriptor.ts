import type { Socket } from "node:net";

/**
 * The descriptor of an open connection, for what the runtime cannot do with it; it stays the socket's own. Undefined once it is
 * closed. Neither Node nor Bun documents it: socket-descriptor.test.ts tells when it is gone.
 */
export function descriptorOf(socket: Socket): number | undefined {
  if (socket.destroyed || !("_handle" in socket)) return undefined;
  const handle: unknown = socket._handle;
  if (typeof handle !== "object" || handle === null || !("fd" in handle)) return undefined;
  return typeof handle.fd === "number" && handle.fd >= 0 ? handle.fd : undefined;
}
