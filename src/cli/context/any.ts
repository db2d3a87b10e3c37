/** A context by name, the default one among them: that is what flags and environment say. */
import type { Cli } from "../cli.ts";
import { DEFAULT_CONTEXT_DESCRIPTION, defaultEndpoint, shownHost } from "./current.ts";
import { type Context, contextDocument, DEFAULT_CONTEXT, readContext, type TlsFile } from "./store.ts";

export async function anyContext(cli: Cli, name: string): Promise<Context> {
  const { directory } = await cli.config();
  return name === DEFAULT_CONTEXT ? defaultContext(cli) : readContext(directory, name);
}

export async function defaultContext(cli: Cli): Promise<Context> {
  const { host, tls } = await defaultEndpoint(cli);
  const files = new Map<TlsFile, string>();
  if (tls !== undefined)
    for (const [file, pem] of [
      ["ca.pem", tls.ca],
      ["cert.pem", tls.cert],
      ["key.pem", tls.key],
    ] as const)
      if (pem !== "") files.set(file, pem);
  const endpoint = { host: shownHost(host), skipVerify: tls?.skipVerify ?? false };
  return {
    name: DEFAULT_CONTEXT,
    document: contextDocument(DEFAULT_CONTEXT, DEFAULT_CONTEXT_DESCRIPTION, endpoint),
    tls: files,
  };
}
