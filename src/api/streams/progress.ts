/** Progress as Docker streams it: one JSON object a line, lines end CR LF. */
import type { Writable } from "node:stream";
import { messageOf } from "../../base/errors.ts";
import type { ProgressMessage } from "../../specs/engine/image.ts";
import type { Call } from "../call.ts";

/**
 * Runs `work` with a way to send messages. The answer begins with the first of them: a failure before it is thrown, and
 * becomes a status; one after it is the stream's last line.
 */
export async function streamProgress(
  call: Call,
  work: (send: (message: ProgressMessage) => void) => Promise<void>,
): Promise<void> {
  let body: Writable | undefined;
  const begin = (): Writable => call.reply.stream(200, { "Content-Type": "application/json" });
  const send = (message: ProgressMessage): void => {
    body ??= begin();
    body.write(`${JSON.stringify(message)}\r\n`);
  };
  try {
    await work(send);
  } catch (error) {
    if (body === undefined) throw error;
    const message = messageOf(error);
    send({ errorDetail: { message }, error: message });
  }
  body ??= begin();
  body.end();
}
