/** Whom to believe: which hosts may be spoken to without protection, and whose certificates count for the others. */
import { createHash } from "node:crypto";
import { lookup } from "node:dns/promises";
import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { withDeadline } from "../../base/deadline.ts";
import { messageOf } from "../../base/errors.ts";
import { readAuthorities, readHostCertificates } from "./certificates.ts";
import { hostnameOf, isLoopbackHost, LOOPBACK_RANGES, parseCidr } from "./ip-range.ts";
import { badAnswer } from "./registry-error.ts";
import type { RegistryOptions } from "./registry-options.ts";

export interface TlsSettings {
  readonly context: SecureContext;
  readonly verify: boolean;
  /** Two settings with one key may share connections. */
  readonly key: string;
}

const LOOKUP_MS = 5_000;
const MAX_CONTEXTS = 64;

export class Trust {
  readonly #options: RegistryOptions;
  readonly #contexts = new Map<string, SecureContext>();
  #authorities: Promise<readonly string[]> | undefined;

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  /**
   * Loopback by address or by the name "localhost", and what the operator listed. As with Docker a name belongs to a listed
   * range when it resolves to an address in it. Unlike Docker a name that merely resolves to loopback does not count: whoever
   * answers the question would decide that credentials travel in the clear, to any local user who listens.
   */
  async isInsecure(url: URL): Promise<boolean> {
    const hostname = hostnameOf(url);
    return isLoopbackHost(hostname) || (await isListed(url, this.#options.insecure));
  }

  /** Whether a registry may send us to `url` in the clear: the registry itself needs no protection, and neither does that. */
  async mayBePlain(url: URL, registry: URL): Promise<boolean> {
    if (!(await this.isInsecure(registry))) return false;
    if (url.hostname === registry.hostname) return true;
    if (isLoopbackHost(hostnameOf(url))) return isLoopbackHost(hostnameOf(registry));
    return this.isInsecure(url);
  }

  /** Whether layers that are not to be distributed may be pushed to this registry. */
  async mayHoldNondistributable(registry: URL): Promise<boolean> {
    return isListed(registry, this.#options.nondistributable);
  }

  /**
   * For a connection to `url` on behalf of a registry: the registry's own authorities count for hosts that it sends us to,
   * which usually are of the same house; our certificate is shown only to the host that it is kept for.
   */
  async tlsFor(url: URL, registryHost: string): Promise<TlsSettings> {
    const directories = this.#options.certificateDirectories;
    const own = await readHostCertificates(directories, url.host);
    const registry = registryHost === url.host ? own : await readHostCertificates(directories, registryHost);
    const extra = [...new Set([...own.authorities, ...registry.authorities])];
    const verify = !(await this.isInsecure(url));
    const hash = createHash("sha256").update(JSON.stringify([extra, own.pairs]));
    const key = `${verify ? "verify" : "any"}:${hash.digest("hex")}`;
    return { context: await this.#contextOf(key, extra, own.pairs), verify, key };
  }

  async #contextOf(
    key: string,
    extra: readonly string[],
    pairs: readonly { readonly cert: string; readonly key: string }[],
  ): Promise<SecureContext> {
    const known = this.#contexts.get(key);
    if (known !== undefined) return known;
    const roots = await this.#roots();
    let context: SecureContext;
    try {
      context = createSecureContext({
        ca: [...roots, ...extra],
        ...(pairs.length === 0
          ? {}
          : { cert: pairs.map(({ cert }) => cert), key: pairs.map((pair) => pair.key) }),
        minVersion: "TLSv1.2",
      });
    } catch (cause) {
      throw badAnswer(`cannot use the certificates kept for the registry: ${messageOf(cause)}`, cause);
    }
    if (this.#contexts.size >= MAX_CONTEXTS) this.#contexts.clear();
    this.#contexts.set(key, context);
    return context;
  }

  #roots(): Promise<readonly string[]> {
    this.#authorities ??= readAuthorities(this.#options.authorityFiles).then((bundle) =>
      bundle === undefined ? [...rootCertificates] : [bundle],
    );
    return this.#authorities;
  }

  /** What `info` shows. */
  insecureRanges(): readonly string[] {
    return [...this.#options.insecure.filter((entry) => parseCidr(entry) !== undefined), ...LOOPBACK_RANGES];
  }
}

/** By name and port, or by an address in a range. */
async function isListed(url: URL, entries: readonly string[]): Promise<boolean> {
  const listed = entries.map((entry) => entry.toLowerCase());
  if (listed.includes(url.host.toLowerCase())) return true;
  const ranges = listed.map(parseCidr).filter((range) => range !== undefined);
  if (ranges.length === 0) return false;
  const hostname = hostnameOf(url);
  const addresses = await withDeadline(
    `looking up "${hostname}"`,
    LOOKUP_MS,
    lookup(hostname, { all: true }),
  ).catch(() => [{ address: hostname }]); // as Docker: a name without an address is in no range
  return addresses.some(({ address }) => ranges.some((range) => range.contains(address)));
}
