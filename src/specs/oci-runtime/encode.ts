/** The OCI specification as config.json. */
import type { Process, Spec } from "./spec.ts";

declare global {
  interface JSON {
    /** ECMAScript 2026; not yet in the compiler's library. */
    rawJSON(text: string): unknown;
  }
}

/** 64-bit values become JSON numbers with all their digits; `decodeSpec` reads them back. */
export function encodeSpec(spec: Spec): string {
  return encode(spec);
}

/** As `exec --process` of a runtime reads it. */
export function encodeProcess(process: Process): string {
  return encode(process);
}

function encode(document: Spec | Process): string {
  return JSON.stringify(document, (_, value: unknown) =>
    typeof value === "bigint" ? JSON.rawJSON(value.toString()) : value,
  );
}
