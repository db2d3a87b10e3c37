/** Which proxy a request goes through: the environment variables' grammar, as Go's clients read it. Pure. */
import { isIP } from "node:net";
import { fail } from "../../base/errors.ts";
import { hostnameOf, isLoopbackHost, parseCidr } from "./ip-range.ts";
import type { Proxies } from "./registry-options.ts";

export interface Proxy {
  readonly protocol: "http:" | "https:";
  readonly hostname: string;
  readonly port: number;
  /** Value of Proxy-Authorization, "" = none. */
  readonly authorization: string;
}

/** Undefined = straight there. Loopback never goes through a proxy. */
export function proxyFor(url: URL, proxies: Proxies): Proxy | undefined {
  const text = url.protocol === "https:" ? proxies.https : proxies.http;
  if (text === "" || isExcepted(url, proxies.exceptions)) return undefined;
  return parseProxy(text);
}

/** "host:port" alone means HTTP. Throws `invalid_argument`, without the password. */
export function parseProxy(text: string): Proxy {
  let url: URL;
  try {
    url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  } catch (cause) {
    throw fail("invalid_argument", "the URL of the proxy is not valid", cause);
  }
  const { protocol } = url;
  if (protocol !== "http:" && protocol !== "https:")
    throw fail(
      "invalid_argument",
      `proxies of the kind "${protocol.slice(0, -1)}" are not supported: http or https`,
    );
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return {
    protocol,
    hostname: hostnameOf(url),
    port: Number(url.port) || (protocol === "https:" ? 443 : 80),
    authorization: user === ":" ? "" : `Basic ${Buffer.from(user).toString("base64")}`,
  };
}

/** The URL without its password: what `info` and logs may show. */
export function shownProxy(text: string): string {
  return text.replace(/^((?:[a-z][a-z0-9+.-]*:\/\/)?)[^/@]*@/i, "$1xxxxx:xxxxx@");
}

function isExcepted(url: URL, exceptions: string): boolean {
  const hostname = hostnameOf(url).toLowerCase();
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  if (isLoopbackHost(hostname)) return true;
  return exceptions
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry !== "" && matches(entry, hostname, port));
}

/** "*", a range, an address or a name, the latter two with a port if wanted; a name covers what is below it. */
function matches(entry: string, hostname: string, port: string): boolean {
  if (entry === "*") return true;
  const range = parseCidr(entry);
  if (range !== undefined) return range.contains(hostname);
  if (isIP(entry) !== 0) return entry === hostname;
  const [, name = "", wantedPort] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(entry) ?? [];
  if (wantedPort !== undefined && wantedPort !== port) return false;
  if (isIP(name) !== 0) return name === hostname;
  const bare = name.replace(/^\*/, "");
  if (bare.startsWith(".")) return hostname.endsWith(bare);
  return hostname === bare || hostname.endsWith(`.${bare}`);
}
