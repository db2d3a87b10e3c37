/** The way to a sink: a connection or a socket for datagrams. Every method ends by a deadline or the signal. */
import { setTimeout as pause } from "node:timers/promises";
import type { Native } from "../../../linux/native.ts";
import type { Endpoint } from "../remote-log.ts";
import type { LogRecord } from "./records.ts";

export interface Link {
  /** False from the moment on at which the sink is known to be gone. */
  readonly isOpen: boolean;
  /** Settles then. */
  readonly gone: Promise<void>;
  /** What the sink's kernel has, the sink has. */
  readonly isCertain: boolean;
  /** Of everything that was sent, and of that what is the sink's for sure; the rest may be lost with the connection. */
  readonly sentBytes: number;
  readonly certainBytes: number;
  /** Throws when it cannot be sent, or when it is not known to be. */
  send(records: readonly LogRecord[], signal: AbortSignal): Promise<void>;
  /** Everything that was sent is the sink's when this returns. Throws when that is not so. */
  close(): Promise<void>;
  destroy(): void;
}

export type LinkSockets = Pick<
  Native,
  "connectSocket" | "connectUnixDatagram" | "sendDescriptors" | "unsentBytes" | "memfd" | "closeFd"
>;

export const CONNECT_MS = 10_000;

/** For messages: as a user would write it. */
export function endpointText(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case "unix":
      return `unix://${endpoint.path}`;
    case "unixgram":
      return `unixgram://${endpoint.paths[0] ?? ""}`;
    case "tcp":
    case "tls":
    case "udp": {
      const host = endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host;
      return `${endpoint.kind}://${host}:${endpoint.port}`;
    }
  }
}

/** Waits a little, the longer the more often it was in vain. */
export async function waitForRoom(attempt: number, signal: AbortSignal): Promise<void> {
  await pause(Math.min(attempt, 20), undefined, { signal });
}
