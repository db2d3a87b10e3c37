/** TLS to the engine: what `--tls*`, DOCKER_TLS, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say. */
import { readSmallFile } from "../base/bun-stdio.ts";
import { errnoOf, messageOf } from "../base/errors.ts";
import type { Cli } from "./cli.ts";
import { Exit } from "./exit.ts";

/** PEM; "" = none. */
export interface TlsMaterial {
  /** Only these may have signed the engine's certificate; "" = those that the system trusts. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** Whoever answers is believed to be the engine. */
  readonly skipVerify: boolean;
}

/** Undefined: without TLS. Throws Exit for a file that cannot be read. */
export async function tlsFromOptions(cli: Cli): Promise<TlsMaterial | undefined> {
  const { tls, tlsverify, tlscacert, tlscert, tlskey } = cli.options;
  const isSet = (name: string): boolean => (cli.variable(name) ?? "") !== "";
  const verify = tlsverify.changed ? tlsverify.value : isSet("DOCKER_TLS_VERIFY");
  // Whatever the value is, who speaks of verifying wants TLS.
  const isTls = tlsverify.changed || verify || (tls.changed ? tls.value : isSet("DOCKER_TLS"));
  if (!isTls) return undefined;
  const directory = cli.variable("DOCKER_CERT_PATH") || cli.options.configDirectory(cli.invocation);
  const fromFile = (flag: { readonly changed: boolean; readonly value: string }, name: string) =>
    flag.changed ? readPem(flag.value) : readPem(`${directory}/${name}`, "optional");
  return {
    ca: tlscacert.changed ? await readPem(tlscacert.value) : await readPem(`${directory}/ca.pem`),
    cert: await fromFile(tlscert, "cert.pem"),
    key: await fromFile(tlskey, "key.pem"),
    skipVerify: !verify,
  };
}

/** Throws Exit, in Docker's words. */
export async function readPem(path: string, whether: "optional" | "required" = "required"): Promise<string> {
  if (path === "") return "";
  try {
    const content = await readSmallFile(path);
    if (content !== undefined) return content;
    if (whether === "optional") return "";
  } catch (error) {
    throw new Exit(1, `open ${path}: ${errnoOf(error) ?? messageOf(error)}`);
  }
  throw new Exit(1, `open ${path}: no such file or directory`);
}
