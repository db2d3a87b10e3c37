/** The addresses in log options: "tcp+tls://host:6514", "unix:///run/x.sock", in the grammar of Go's URLs as far as it matters here. */
import { wrong } from "./option-values.ts";

export interface Address {
  readonly scheme: string;
  /** Without the brackets of IPv6. */
  readonly host: string;
  /** "" = not given. */
  readonly port: string;
  readonly path: string;
}

/** Of a text that is no address at all the scheme is "". Throws `invalid_argument`. */
export function parseAddress(text: string): Address {
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text) ?? [];
  if (/[\s\p{Cc}]/u.test(text)) throw wrong(`parse ${JSON.stringify(text.slice(0, 200))}: invalid address`);
  const slash = rest.indexOf("/");
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const path = slash < 0 ? "" : rest.slice(slash);
  const [, v6, name = "", port = ""] = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/.exec(authority) ?? [];
  if (authority.includes("@") || (v6 === undefined && name === "" && authority !== "" && port === ""))
    throw wrong(`parse ${JSON.stringify(text.slice(0, 200))}: invalid address`);
  return { scheme: scheme.toLowerCase(), host: v6 ?? name, port, path: decodePath(path) };
}

/** Undefined when it is no port. */
export function portOf(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  return port >= 0 && port <= 65_535 ? port : undefined;
}

function decodePath(path: string): string {
  try {
    const decoded = decodeURIComponent(path);
    if (!decoded.includes("\0")) return decoded;
  } catch {
    // Said below.
  }
  throw wrong(`invalid URL escape in ${JSON.stringify(path.slice(0, 200))}`);
}
