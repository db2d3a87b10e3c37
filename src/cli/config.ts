/** The client's configuration, `config.json` in the configuration directory; a file that Docker's CLI shares. */
import { readSmallFile } from "../base/bun-stdio.ts";
import { messageOf } from "../base/errors.ts";
import { child, type Fields, fieldsOf, text, textMap } from "../client/fields.ts";
import { Exit } from "./exit.ts";

export interface Config {
  readonly directory: string;
  readonly currentContext: string;
  readonly detachKeys: string;
  readonly psFormat: string;
  readonly imagesFormat: string;
  readonly httpHeaders: ReadonlyMap<string, string>;
  readonly proxies: Fields;
}

export async function loadConfig(directory: string): Promise<Config> {
  const path = `${directory}/config.json`;
  let document: unknown;
  try {
    const content = await readSmallFile(path);
    document = content === undefined || content.trim() === "" ? {} : JSON.parse(content);
  } catch (error) {
    throw new Exit(1, `Error loading config file: ${path}: ${messageOf(error)}`);
  }
  const fields = fieldsOf(document);
  return {
    directory,
    currentContext: text(fields, "currentContext"),
    detachKeys: text(fields, "detachKeys"),
    psFormat: text(fields, "psFormat"),
    imagesFormat: text(fields, "imagesFormat"),
    httpHeaders: textMap(fields, "HttpHeaders"),
    proxies: child(fields, "proxies"),
  };
}
