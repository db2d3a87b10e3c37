/** The files behind TLS doors, read and checked before anything is opened. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { DoorTls } from "../api/doors/listen.ts";
import { fail, messageOf } from "../base/errors.ts";
import type { TlsFiles } from "./door-settings.ts";

const MAX_BYTES = 1 << 20;

/** Throws `invalid_argument` that names the file. */
export async function readDoorTls(files: TlsFiles): Promise<DoorTls> {
  const cert = await readPem(files.cert);
  const certificate = inFile(files.cert, () => new X509Certificate(cert));
  const key = await readPem(files.key);
  const privateKey = inFile(files.key, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw wrong(`the key "${files.key}" does not belong to the certificate "${files.cert}"`);
  const { clientAuthorities: path } = files;
  if (path === undefined) return { cert, key, clientAuthorities: undefined };
  const clientAuthorities = await readPem(path);
  inFile(path, () => new X509Certificate(clientAuthorities));
  return { cert, key, clientAuthorities };
}

async function readPem(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw wrong(`cannot read "${path}": ${messageOf(error)}`, error);
  }
  if (text.length > MAX_BYTES) throw wrong(`"${path}" is larger than ${MAX_BYTES} bytes`);
  return text;
}

function inFile<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw wrong(`"${path}" is not what it should be: ${messageOf(error)}`, error);
  }
}

function wrong(message: string, cause?: unknown): Error {
  return fail("invalid_argument", `invalid TLS configuration: ${message}`, cause);
}
