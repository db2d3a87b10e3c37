/** Changing config.json: what is not meant stays as it is, and a crash leaves the old file or the new. */
import { errnoOf, fail, messageOf } from "../base/errors.ts";
import { fieldsOf, type Fields } from "../client/fields.ts";

/** `change` gets the entries of `auths` and returns those to keep. */
export async function changeAuths(directory: string, change: (auths: Fields) => Fields): Promise<void> {
  await changeConfig(directory, (document) => ({ ...document, auths: change(fieldsOf(document["auths"])) }));
}

/** `change` gets the document and returns the next one. The file is for its owner alone. */
export async function changeConfig(directory: string, change: (document: Fields) => Fields): Promise<void> {
  const { mkdir, open, readFile, realpath, rename, rm } = await import("node:fs/promises");
  const { randomBytes } = await import("node:crypto");
  const { dirname } = await import("node:path");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const named = `${directory}/config.json`;
  // A link is a user's way to keep the file elsewhere: that file is changed.
  const path = await realpath(named).catch(() => named);
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return "{}";
    throw error;
  });
  const next = `${JSON.stringify(change(parsed(path, text)), null, "\t")}\n`;
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  const file = await open(temporary, "wx", 0o600);
  try {
    await file.writeFile(next);
    await file.sync();
    await file.close();
    await rename(temporary, path);
    const parent = await open(dirname(path), "r");
    await parent.sync();
    await parent.close();
  } catch (error) {
    await file.close().catch(() => {});
    await rm(temporary, { force: true });
    throw error;
  }
}

/** A file that cannot be understood is not overwritten. */
function parsed(path: string, text: string): Fields {
  let document: unknown;
  try {
    document = text.trim() === "" ? {} : JSON.parse(text);
  } catch (cause) {
    throw fail("invalid_argument", `cannot change ${path}: ${messageOf(cause)}`, cause);
  }
  if (typeof document !== "object" || document === null || Array.isArray(document))
    throw fail("invalid_argument", `cannot change ${path}: it holds no object`);
  return Object.fromEntries(Object.entries(document));
}
