import { fail } from "../base/errors.ts";
import type { Seccomp } from "../specs/oci-runtime/spec.ts";
import type { HostFacts } from "./host-facts.ts";

export function compileSeccomp(
  _seccomp: Seccomp,
  _architecture: HostFacts["architecture"],
): { filterFlags: number; filter: Uint8Array } {
  throw fail("not_implemented", "seccomp filters are not supported");
}
