/** Which context a command uses, and what the nameless one is: the flags, DOCKER_HOST and the local socket. */
import type { Cli } from "../cli.ts";
import { parseHost } from "../parse-host.ts";
import { DEFAULT_SOCKET } from "../parse-host.ts";
import type { TlsMaterial } from "../tls.ts";
import { tlsFromOptions } from "../tls.ts";
import { Exit } from "../exit.ts";

export const DEFAULT_CONTEXT_DESCRIPTION = "Current DOCKER_HOST based configuration";

/** `--context`; "default" for `--host` and DOCKER_HOST; DOCKER_CONTEXT; the configuration's; "default". In this order. */
export async function currentContextName(cli: Cli): Promise<string> {
  const { context, host } = cli.options;
  if (context.value !== "") return context.value;
  if (host.value.length > 0 || cli.variable("DOCKER_HOST")) return "default";
  return cli.variable("DOCKER_CONTEXT") || (await cli.config()).currentContext || "default";
}

export interface DefaultEndpoint {
  /** "" = the local socket. */
  readonly host: string;
  readonly tls: TlsMaterial | undefined;
}

/** Throws Exit. */
export async function defaultEndpoint(cli: Cli): Promise<DefaultEndpoint> {
  const hosts = cli.options.host.value;
  if (hosts.length > 1) throw new Exit(1, "Please specify only one -H");
  const tls = await tlsFromOptions(cli);
  const host = hosts[0] ?? cli.variable("DOCKER_HOST") ?? "";
  return { host: host === "" && tls !== undefined ? "tcp://localhost:2376" : host, tls };
}

/** As it is shown. */
export function shownHost(host: string): string {
  return host === "" ? `unix://${DEFAULT_SOCKET}` : parseHost(host).url;
}
