/** Addresses of engines as `--host`, DOCKER_HOST and contexts write them, in the grammar of Docker's CLI. Pure. */
import type { Endpoint } from "../base/byte-stream.ts";
import { Exit } from "./exit.ts";

export const DEFAULT_SOCKET = "/run/gantry/gantry.sock";

/** An engine on another machine, reached by ssh(1). */
export interface SshEndpoint {
  readonly kind: "ssh";
  readonly user: string;
  readonly host: string;
  /** "" = ssh's own. */
  readonly port: string;
  /** Of the socket over there; "" = where it is by default. */
  readonly socket: string;
}

export interface ParsedHost {
  readonly endpoint: Endpoint | SshEndpoint;
  /** With what was left out. */
  readonly url: string;
}

/** Throws Exit for what it does not know. "" is nobody's address. */
export function parseHost(text: string): ParsedHost {
  const host = text.trim();
  const at = host.indexOf("://");
  const scheme = at < 0 ? "tcp" : host.slice(0, at);
  const rest = at < 0 ? host : host.slice(at + 3);
  switch (scheme) {
    case "unix": {
      const path = rest === "" ? DEFAULT_SOCKET : rest;
      return { endpoint: { kind: "unix", path }, url: `unix://${path}` };
    }
    case "tcp":
      return parseTcp(host, rest);
    case "ssh":
      return parseSsh(host);
    default:
      throw new Exit(1, `invalid bind address format: ${host}`);
  }
}

/** The port is that of plain connections whether there is TLS or not, as with Docker. */
function parseTcp(host: string, rest: string): ParsedHost {
  const parts = /^(\[[0-9a-fA-F:.%\w]+\]|[^:/[\]]*)(?::(\d{1,5}))?\/?$/.exec(rest);
  const port = Number(parts?.[2] ?? "2375");
  if (parts === null || port < 1 || port > 65_535)
    throw new Exit(1, `invalid engine address "${host}": expected tcp://HOST[:PORT]`);
  const name = parts[1] || "localhost";
  return {
    endpoint: { kind: "tcp", host: name.replace(/^\[|\]$/g, ""), port },
    url: `tcp://${name}:${port}`,
  };
}

/** ssh reads words that begin with "-" as options of its own: a host cannot be one, and a user has an option before it. */
function parseSsh(text: string): ParsedHost {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw wrongSsh("no host specified");
  }
  if (url.hostname === "") throw wrongSsh("no host specified");
  if (url.password !== "") throw wrongSsh("plain-text password is not supported");
  if (url.search !== "") throw wrongSsh(`extra query after the host: ${JSON.stringify(url.search.slice(1))}`);
  if (url.hash !== "") throw wrongSsh(`extra fragment after the host: ${JSON.stringify(url.hash.slice(1))}`);
  const endpoint: SshEndpoint = {
    kind: "ssh",
    user: decodeURIComponent(url.username),
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port,
    socket: url.pathname === "/" ? "" : decodeURIComponent(url.pathname),
  };
  if (/[\0-\x20]/.test(endpoint.user + endpoint.host + endpoint.socket)) throw wrongSsh("it has blanks");
  return { endpoint, url: text };
}

function wrongSsh(why: string): Exit {
  return new Exit(1, `ssh host connection is not valid: ${why}`);
}
