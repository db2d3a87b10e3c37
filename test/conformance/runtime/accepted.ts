/**
 * Where runtimes may differ, and why. A difference that no row explains fails the test; a row that explains nothing any more
 * fails it, too. docs/conformance.md is made from this table (tools/gen/conformance.ts).
 */
export interface Accepted {
  /** Who stands alone against the others, or against us. */
  readonly who: "runc" | "crun";
  /** Of the configuration; absent = any. */
  readonly configuration?: RegExp;
  /** Of the probe's lines. */
  readonly key: RegExp;
  readonly reason: string;
}

export const ACCEPTED: readonly Accepted[] = [];
