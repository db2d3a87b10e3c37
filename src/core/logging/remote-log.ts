/** Where a container's log is sent, besides its file: everything that was decided about it, as data. */

export type Endpoint =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "tls"; readonly host: string; readonly port: number; readonly tls: TlsFiles }
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "udp"; readonly host: string; readonly port: number }
  /** The first of the paths that there is. */
  | { readonly kind: "unixgram"; readonly paths: readonly string[] };

/** Paths; "" = none. They are read for each connection, so a certificate can be renewed. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly verify: boolean;
}

/** What happens when the sink does not take a batch. */
export interface Retry {
  /** Before the second attempt; later ones wait longer. */
  readonly waitMs: number;
  /** Then the batch is given up. */
  readonly maxRetries: number;
}

interface Target {
  readonly endpoint: Endpoint;
  readonly retry: Retry;
  readonly tag: string;
  readonly containerId: string;
  readonly containerName: string;
}

export type SyslogFormat = "unix" | "rfc3164" | "rfc5424" | "rfc5424micro";

export interface SyslogTarget extends Target {
  readonly kind: "syslog";
  /** 0 to 23. */
  readonly facility: number;
  readonly format: SyslogFormat;
  /** RFC 5425, 4.3: each message begins with its length. */
  readonly counted: boolean;
  readonly hostname: string;
}

export interface JournaldTarget extends Target {
  readonly kind: "journald";
  /** Of every entry. */
  readonly fields: ReadonlyMap<string, string>;
}

export interface FluentdTarget extends Target {
  readonly kind: "fluentd";
  readonly attributes: ReadonlyMap<string, string>;
  readonly subSecond: boolean;
  readonly requestAck: boolean;
  /** A connection is not used for longer, so that a name's new address is noticed; 0 = as long as it lasts. */
  readonly reconnectMs: number;
  /** 0 = none. */
  readonly writeTimeoutMs: number;
  readonly readTimeoutMs: number;
}

export interface GelfTarget extends Target {
  readonly kind: "gelf";
  readonly hostname: string;
  /** Additional fields, with their underscores. */
  readonly fields: ReadonlyMap<string, string>;
  readonly compression: "gzip" | "zlib" | "none";
  readonly level: number;
}

export type RemoteLog = SyslogTarget | JournaldTarget | FluentdTarget | GelfTarget;

export const ENDLESS = 2 ** 31 - 1;
export const DEFAULT_RETRY: Retry = { waitMs: 500, maxRetries: ENDLESS };
