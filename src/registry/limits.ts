/** How much anybody may have or hold. Each is an option of `gantry registry serve`, by the flag of the same name. */
export interface Limits {
  /** One blob. */
  readonly maxBlobBytes: number;
  /** Uploads begun and not ended, of everybody. */
  readonly maxUploads: number;
  /** Bodies of uploads that one client (a user, else an address) sends at the same time. */
  readonly maxTransfersPerClient: number;
  /** Requests being answered. */
  readonly maxRequests: number;
  /** An upload that gets no bytes for so long is forgotten. */
  readonly uploadExpiryMs: number;
  /** A body that brings nothing, or an answer of which nothing is taken, for so long is broken off … */
  readonly idleMs: number;
  /** … and so is one that after this time … */
  readonly graceMs: number;
  /** … is slower than this on the average. */
  readonly leastBytesPerSecond: number;
}

export const DEFAULT_LIMITS: Limits = {
  maxBlobBytes: 64 * 2 ** 30,
  maxUploads: 1000,
  maxTransfersPerClient: 32,
  maxRequests: 1000,
  uploadExpiryMs: 24 * 3600_000,
  idleMs: 30_000,
  graceMs: 60_000,
  leastBytesPerSecond: 256,
};

/** A request's target, and all its headers together. */
export const MAX_HEAD_BYTES = 64 << 10;
/** A request's head must have come after this. */
export const HEAD_TIMEOUT_MS = 20_000;
/** Of a connection without a request: longer than what load balancers and Go's clients keep, so that they end it. */
export const KEEP_ALIVE_MS = 120_000;
