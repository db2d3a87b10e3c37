import { readFileChunks, standardInput } from "../../base/bun-stdio.ts";
import { errnoOf, messageOf } from "../../base/errors.ts";
import { readTar } from "../../base/tar-reader.ts";
import { child, type Fields, flag, text } from "../../client/fields.ts";
import { type Command, exactly } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import {
  checkName,
  contextDocument,
  isStored,
  parseMeta,
  TLS_FILES,
  type TlsFile,
  writeContext,
} from "./store.ts";

/** Docker's limit. */
const MAX_BYTES = 10 << 20;
const LIMITS = { maxEntries: 100, maxHeaderBytes: 64 * 1024 };

export function command(): Command {
  return {
    usage: "CONTEXT FILE|-",
    flags: new FlagSet(),
    arguments: exactly(2),
    async run(cli, [name = "", file = ""]) {
      const { directory } = await cli.config();
      checkName(name);
      if (await isStored(directory, name)) throw new Exit(1, `context "${name}" already exists`);
      const { meta, tls } = await readArchive(file === "-" ? standardInput() : await chunksOf(file));
      const docker = child(child(meta, "Endpoints"), "docker");
      const document = contextDocument(
        name,
        text(child(meta, "Metadata"), "Description"),
        { host: text(docker, "Host"), skipVerify: flag(docker, "SkipTLSVerify") },
        meta,
      );
      await writeContext(directory, { name, document, tls });
      await cli.print(name);
      await cli.warn(`Successfully imported context "${name}"`);
      return 0;
    },
  };
}

async function chunksOf(path: string): Promise<AsyncIterable<Uint8Array>> {
  try {
    const { access } = await import("node:fs/promises");
    await access(path);
    return await readFileChunks(path);
  } catch (error) {
    const why = errnoOf(error) === "ENOENT" ? "no such file or directory" : messageOf(error);
    throw new Exit(1, `open ${path}: ${why}`);
  }
}

interface Archive {
  readonly meta: Fields;
  readonly tls: ReadonlyMap<TlsFile, string>;
}

/** Whatever is no part of a context is a mistake, or worse: it is refused by name. */
async function readArchive(source: AsyncIterable<Uint8Array>): Promise<Archive> {
  let meta: Fields | undefined;
  const tls = new Map<TlsFile, string>();
  let bytes = 0;
  for await (const { name, kind, content } of readTar(notZip(source), LIMITS)) {
    if (kind === "directory") continue;
    const file = TLS_FILES.find((one) => name === `tls/docker/${one}`);
    if (kind !== "file" || (name !== "meta.json" && file === undefined))
      throw new Exit(1, `unexpected context file: ${JSON.stringify(name.slice(0, 200))}`);
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) {
      bytes += chunk.length;
      if (bytes > MAX_BYTES) throw new Exit(1, "the archive of a context is larger than 10 MiB");
      chunks.push(chunk);
    }
    const body = Buffer.concat(chunks).toString();
    if (file === undefined) meta = parseMeta(name, body);
    else tls.set(file, body);
  }
  if (meta === undefined) throw new Exit(1, "invalid context: no metadata found");
  return { meta, tls };
}

async function* notZip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let isFirst = true;
  for await (const chunk of source) {
    if (isFirst && Buffer.from(chunk).subarray(0, 4).toString("latin1") === "PK\u0003\u0004")
      throw new Exit(1, "zip archives of contexts are not supported: export it as a tar archive");
    isFirst = false;
    yield chunk;
  }
}
