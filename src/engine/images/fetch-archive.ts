/** POST /images/create?fromSrc=URL: the archive that is to be imported is fetched by the engine. */
import { Readable } from "node:stream";
import { fail } from "../../base/errors.ts";
import type { Registries } from "../../core/distribution/distribution.ts";
import type { ProgressMessage } from "../../specs/engine/image.ts";
import { progressBar } from "./transfer-messages.ts";

const TELL_EVERY_MS = 100;

/** Resolves when the first bytes can be read. What is wrong until then is thrown before anything is sent. */
export async function fetchArchive(
  { registries }: { readonly registries: Pick<Registries, "download"> },
  source: string,
  send: (message: ProgressMessage) => void,
  signal: AbortSignal,
): Promise<Readable> {
  const url = URL.parse(source.includes("://") ? source : `http://${source}`);
  if (url === null)
    throw fail("invalid_argument", `parse ${JSON.stringify(source.slice(0, 300))}: invalid URL`);
  const { sizeBytes, bytes } = await registries.download(url, signal);
  url.password = url.password === "" ? "" : "xxxxx";
  send({ status: `Downloading from ${url.href}` });
  return Readable.from(toldBytes(bytes, sizeBytes, send), { objectMode: false });
}

async function* toldBytes(
  bytes: AsyncIterable<Uint8Array>,
  total: number,
  send: (message: ProgressMessage) => void,
): AsyncGenerator<Uint8Array> {
  let current = 0;
  let toldMs = 0;
  const tell = (): void => {
    const progressDetail = total > 0 ? { current, total } : { current };
    send({ status: "Importing", progressDetail, progress: progressBar(current, total) });
    toldMs = performance.now();
  };
  for await (const chunk of bytes) {
    current += chunk.length;
    if (performance.now() - toldMs >= TELL_EVERY_MS) tell();
    yield chunk;
  }
  tell();
}
