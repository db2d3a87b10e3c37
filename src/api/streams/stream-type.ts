import type { Call } from "../call.ts";

const MULTIPLEXED_SINCE = 42;

/** The content type of process output: since API 1.42 framed streams have their own. */
export function streamTypeOf(call: Pick<Call, "minor">, isTerminal: boolean): string {
  return isTerminal || call.minor < MULTIPLEXED_SINCE
    ? "application/vnd.docker.raw-stream"
    : "application/vnd.docker.multiplexed-stream";
}
