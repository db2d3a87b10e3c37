/** `--docker "host=…,ca=…,cert=…,key=…"`: the endpoint of a new context. */
import type { Flag, FlagSet } from "../flags.ts";
import { Exit } from "../exit.ts";
import { csvFields } from "../options/values.ts";
import { parseHost } from "../parse-host.ts";
import { parseBool } from "../flags.ts";
import { readPem } from "../tls.ts";
import { hostOf, readContext, skipsVerification, type TlsFile } from "./store.ts";

const KEYS = ["from", "host", "ca", "cert", "key", "skip-tls-verify"] as const;
const FILES: readonly (readonly ["ca" | "cert" | "key", TlsFile])[] = [
  ["ca", "ca.pem"],
  ["cert", "cert.pem"],
  ["key", "key.pem"],
];

export interface ContextEndpoint {
  readonly host: string;
  readonly skipVerify: boolean;
  readonly tls: ReadonlyMap<TlsFile, string>;
}

export function endpointFlag(flags: FlagSet): Flag<ReadonlyMap<string, string>> {
  return flags.custom<ReadonlyMap<string, string>>(
    "docker",
    new Map(),
    `Set the engine's endpoint: KEY=VALUE[,KEY=VALUE...] of
'host':             Address of the engine
'ca':               File with the only CA to trust
'cert', 'key':      Files with the TLS certificate and its key
'skip-tls-verify':  Do not check the engine's certificate
'from':             Copy the endpoint of another context`,
    { valueName: "stringToString", shownDefault: "[]", parse: withPairs },
  );
}

/** pflag's stringToString. */
function withPairs(text: string, before: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const pairs = new Map(before);
  for (const field of text.split("=").length === 2 ? [text] : csvFields(text)) {
    const at = field.indexOf("=");
    if (at < 0) throw new Error(`${field} must be formatted as key=value`);
    pairs.set(field.slice(0, at), field.slice(at + 1));
  }
  return pairs;
}

/** Reads the files. `directory` is where other contexts are. Throws Exit, or `not_found` for another context. */
export async function readEndpoint(
  directory: string,
  pairs: ReadonlyMap<string, string>,
): Promise<ContextEndpoint> {
  for (const key of pairs.keys())
    if (!KEYS.some((known) => known === key)) throw wrong(`${key}: unrecognized config key`);
  const from = pairs.get("from");
  if (from !== undefined) {
    const other = await readContext(directory, from);
    return { host: hostOf(other), skipVerify: skipsVerification(other), tls: other.tls };
  }
  const host = pairs.get("host") ?? "";
  if (host !== "") parseHost(host);
  const tls = new Map<TlsFile, string>();
  try {
    for (const [key, file] of FILES) {
      const path = pairs.get(key) ?? "";
      if (path !== "") tls.set(file, await readPem(path));
    }
  } catch (error) {
    throw error instanceof Exit ? wrong(error.message) : error;
  }
  return { host, skipVerify: boolOf(pairs.get("skip-tls-verify") ?? "false"), tls };
}

function boolOf(text: string): boolean {
  try {
    return parseBool(text);
  } catch (error) {
    throw wrong(`skip-tls-verify: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function wrong(why: string): Exit {
  return new Exit(1, `unable to create docker endpoint config: ${why}`);
}
