/** Small bodies, read whole: manifests, tokens, lists, error texts. */
import { badAnswer, clean, errorOfAnswer, RegistryError } from "./registry-error.ts";
import type { Answer } from "./transport.ts";

const MAX_ERROR_BYTES = 64 << 10;

/** Throws `invalid_argument` beyond `maxBytes`, `unavailable` when it takes too long. */
export async function readDocument(
  answer: Answer,
  limit: { readonly maxBytes: number; readonly documentMs: number; readonly what: string },
): Promise<Buffer> {
  const announced = answer.header("content-length");
  if (announced !== undefined && Number(announced) > limit.maxBytes) {
    await answer.discard();
    throw badAnswer(`${limit.what} has ${clean(announced, 30)} bytes, ${limit.maxBytes} are allowed`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const deadline = performance.now() + limit.documentMs;
  for await (const chunk of answer.body()) {
    bytes += chunk.length;
    if (bytes > limit.maxBytes) throw badAnswer(`${limit.what} has more than ${limit.maxBytes} bytes`);
    if (performance.now() > deadline)
      throw new RegistryError("unavailable", `${limit.what} took too long`, { mayRetry: true });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

/** What an answer of 400 and above says; a text that cannot be read says nothing. */
export async function errorOf(answer: Answer, documentMs: number): Promise<RegistryError> {
  let body = "";
  try {
    body = (
      await readDocument(answer, { maxBytes: MAX_ERROR_BYTES, documentMs, what: "the error" })
    ).toString();
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
  }
  return errorOfAnswer({
    status: answer.status,
    statusText: answer.statusText,
    header: (name) => answer.header(name),
    body,
    nowMs: Date.now(),
  });
}
