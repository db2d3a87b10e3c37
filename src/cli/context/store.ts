/**
 * Contexts: names for engines, kept where Docker's CLI keeps them, in its format.
 *
 *     contexts/meta/<sha256 of the name>/meta.json    {"Name", "Metadata": {"Description"}, "Endpoints": {"docker": {"Host", "SkipTLSVerify"}}}
 *     contexts/tls/<sha256 of the name>/docker/{ca,cert,key}.pem
 *
 * On crash: a context is there once its meta.json is; TLS files without one are replaced by the next that has the name.
 */
import { errnoOf, fail, messageOf } from "../../base/errors.ts";
import { child, type Fields, fieldsOf, flag, isFields, text } from "../../client/fields.ts";

export const TLS_FILES = ["ca.pem", "cert.pem", "key.pem"] as const;
export type TlsFile = (typeof TLS_FILES)[number];

export interface Context {
  readonly name: string;
  /** The document as it is kept, with what other programs have put into it. */
  readonly document: Fields;
  /** PEM. */
  readonly tls: ReadonlyMap<TlsFile, string>;
}

export const DEFAULT_CONTEXT = "default";
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$/;

/** Throws `invalid_argument` for what cannot be a name of a stored context. */
export function checkName(name: string): void {
  if (name === "") throw fail("invalid_argument", "context name cannot be empty");
  if (name === DEFAULT_CONTEXT)
    throw fail("invalid_argument", `"${DEFAULT_CONTEXT}" is a reserved context name`);
  if (!NAME.test(name))
    throw fail(
      "invalid_argument",
      `context name "${name}" is invalid, names are validated against regexp "${NAME.source}"`,
    );
}

export function descriptionOf(context: Context): string {
  return text(child(context.document, "Metadata"), "Description");
}

export function hostOf(context: Context): string {
  return text(child(child(context.document, "Endpoints"), "docker"), "Host");
}

export function skipsVerification(context: Context): boolean {
  return flag(child(child(context.document, "Endpoints"), "docker"), "SkipTLSVerify");
}

export async function placesOf(
  directory: string,
  name: string,
): Promise<{ readonly meta: string; readonly tls: string }> {
  const { createHash } = await import("node:crypto");
  const id = createHash("sha256").update(name).digest("hex");
  return { meta: `${directory}/contexts/meta/${id}`, tls: `${directory}/contexts/tls/${id}` };
}

/** Throws `not_found`, in Docker's words. */
export async function readContext(directory: string, name: string): Promise<Context> {
  const { readFile } = await import("node:fs/promises");
  const { meta, tls } = await placesOf(directory, name);
  const path = `${meta}/meta.json`;
  let content: string;
  try {
    content = await readFile(path, "utf8");
  } catch (error) {
    const isMissing = errnoOf(error) === "ENOENT";
    const why = isMissing ? `open ${path}: no such file or directory` : messageOf(error);
    throw fail(
      isMissing ? "not_found" : "unavailable",
      `context "${name}": context not found: ${why}`,
      error,
    );
  }
  const files = new Map<TlsFile, string>();
  for (const file of TLS_FILES) {
    const pem = await readFile(`${tls}/docker/${file}`, "utf8").catch((error: unknown) => {
      if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
      throw error;
    });
    if (pem !== undefined) files.set(file, pem);
  }
  return { name, document: parseMeta(path, content), tls: files };
}

/** Throws `invalid_argument` that names the file. */
export function parseMeta(path: string, content: string): Fields {
  let document: unknown;
  try {
    document = JSON.parse(content);
  } catch (error) {
    throw fail("invalid_argument", `parsing ${path}: ${messageOf(error)}`, error);
  }
  if (!isFields(document)) throw fail("invalid_argument", `parsing ${path}: it holds no object`);
  return document;
}

/** All that are stored, by name; one that cannot be read is an error that names it. */
export async function listContexts(directory: string): Promise<readonly Context[]> {
  const { readdir, readFile } = await import("node:fs/promises");
  const root = `${directory}/contexts/meta`;
  const ids = await readdir(root).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  });
  const contexts: Context[] = [];
  for (const id of ids) {
    const path = `${root}/${id}/meta.json`;
    const content = await readFile(path, "utf8").catch((error: unknown) => {
      if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
      throw error;
    });
    if (content === undefined) continue;
    const name = text(parseMeta(path, content), "Name");
    if ((await placesOf(directory, name)).meta === `${root}/${id}`)
      contexts.push(await readContext(directory, name));
  }
  return contexts;
}

export async function isStored(directory: string, name: string): Promise<boolean> {
  try {
    await readContext(directory, name);
    return true;
  } catch (error) {
    if (error instanceof Error && "category" in error && error.category === "not_found") return false;
    throw error;
  }
}

/** Replaces one of the same name. */
export async function writeContext(directory: string, context: Context): Promise<void> {
  const { chmod, mkdir, open, rename, rm } = await import("node:fs/promises");
  const { meta, tls } = await placesOf(directory, context.name);
  await rm(tls, { recursive: true, force: true });
  if (context.tls.size > 0) {
    await mkdir(`${tls}/docker`, { recursive: true, mode: 0o700 });
    for (const [file, pem] of context.tls) await writeFile(`${tls}/docker/${file}`, pem, 0o600);
  }
  await mkdir(meta, { recursive: true, mode: 0o755 });
  const temporary = `${meta}/meta.json.tmp`;
  await writeFile(temporary, JSON.stringify({ ...context.document, Name: context.name }), 0o644);
  await rename(temporary, `${meta}/meta.json`);
  const parent = await open(meta, "r");
  await parent.sync();
  await parent.close();

  async function writeFile(path: string, content: string, mode: number): Promise<void> {
    const file = await open(path, "w", mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await chmod(path, mode);
  }
}

/** One that is not there is fine. */
export async function removeContext(directory: string, name: string): Promise<void> {
  const { rm } = await import("node:fs/promises");
  const { meta, tls } = await placesOf(directory, name);
  await rm(meta, { recursive: true, force: true });
  await rm(tls, { recursive: true, force: true });
}

/** With the keys in Docker's order. */
export function contextDocument(
  name: string,
  description: string,
  endpoint: { readonly host: string; readonly skipVerify: boolean },
  before: Fields = {},
): Fields {
  const metadata = { ...child(before, "Metadata"), Description: description };
  const { Description: _, ...others } = metadata;
  return {
    Name: name,
    Metadata: description === "" ? others : metadata,
    Endpoints: {
      ...fieldsOf(before["Endpoints"]),
      docker: { Host: endpoint.host, SkipTLSVerify: endpoint.skipVerify },
    },
  };
}
