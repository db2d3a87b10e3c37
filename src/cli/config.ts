/** The client's configuration, `config.json` in the configuration directory; a file that Docker's CLI shares. */
import { readSmallFile } from "../base/bun-stdio.ts";
import { messageOf } from "../base/errors.ts";
import { child, type Fields, fieldsOf, isFields, text, textList, textMap } from "../client/fields.ts";

export interface Config {
  readonly directory: string;
  readonly currentContext: string;
  readonly detachKeys: string;
  readonly psFormat: string;
  readonly imagesFormat: string;
  readonly networksFormat: string;
  readonly volumesFormat: string;
  readonly statsFormat: string;
  /** Filters of every prune: "label=…", "label!=…", "until=…". */
  readonly pruneFilters: readonly string[];
  readonly httpHeaders: ReadonlyMap<string, string>;
  /** By engine address, or "default": proxies for what runs in containers. */
  readonly proxies: Fields;
  /** Other words for a command; Docker allows "builder" alone. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Where plugins are looked for first. */
  readonly pluginDirectories: readonly string[];
  /** Credentials by registry, or registry and path. */
  readonly auths: Fields;
  /** Name of the credential helper for all registries, "" = none; and those for some. */
  readonly credsStore: string;
  readonly credHelpers: ReadonlyMap<string, string>;
}

/** A file that cannot be read or understood is warned of, and the defaults hold; as with Docker's CLI. */
export async function loadConfig(directory: string, warn: (line: string) => Promise<void>): Promise<Config> {
  const path = `${directory}/config.json`;
  let document: unknown = {};
  try {
    const content = await readSmallFile(path);
    if (content !== undefined && content.trim() !== "") document = JSON.parse(content);
  } catch (error) {
    await warn(`WARNING: Error loading config file: ${path}: ${messageOf(error)}`);
  }
  const fields = fieldsOf(document);
  return {
    directory,
    currentContext: text(fields, "currentContext"),
    detachKeys: text(fields, "detachKeys"),
    psFormat: text(fields, "psFormat"),
    imagesFormat: text(fields, "imagesFormat"),
    networksFormat: text(fields, "networksFormat"),
    volumesFormat: text(fields, "volumesFormat"),
    statsFormat: text(fields, "statsFormat"),
    pruneFilters: textList(fields, "pruneFilters"),
    httpHeaders: textMap(fields, "HttpHeaders"),
    proxies: child(fields, "proxies"),
    aliases: textMap(fields, "aliases"),
    pluginDirectories: textList(fields, "cliPluginsExtraDirs"),
    auths: child(fields, "auths"),
    credsStore: text(fields, "credsStore"),
    credHelpers: textMap(fields, "credHelpers"),
  };
}

/** Those of this engine, or the default ones. */
export function proxiesFor(config: Config, engineUrl: string): Fields {
  const own = config.proxies[engineUrl];
  return isFields(own) ? own : child(config.proxies, "default");
}
