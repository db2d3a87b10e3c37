/** Registries as the engine sees them: everything that repositories share, put together once. */
import type { Logger } from "../../base/log.ts";
import type { Reference } from "../../specs/oci-image/reference.ts";
import type { Challenge } from "./challenge.ts";
import type {
  Access,
  Credentials,
  Downloaded,
  LoginResult,
  Registries,
  RegistrySettings,
  Repository,
  SearchOptions,
  SearchResult,
} from "./distribution.ts";
import { download } from "./download.ts";
import { HUB_DOMAIN } from "./endpoints.ts";
import { parseCidr } from "./ip-range.ts";
import { hostOfServer, logIn } from "./login.ts";
import { shownProxy } from "./proxies.ts";
import { RegistryError } from "./registry-error.ts";
import type { RegistryOptions } from "./registry-options.ts";
import { RemoteRepository, type RepositoryParts } from "./repository.ts";
import { parseSearchTerm, searchIndex } from "./search.ts";
import { Session } from "./session.ts";
import { Tokens } from "./tokens.ts";
import { Transport } from "./transport.ts";
import { Trust } from "./trust.ts";

export interface OpenRegistries extends Registries {
  /** From now on; what was opened before goes on as it was. */
  replaceOptions(options: RegistryOptions): void;
  /** Closes all connections. */
  close(): void;
}

export function openRegistries(options: RegistryOptions, log: Logger): OpenRegistries {
  return new RemoteRegistries(options, log.with({ component: "distribution" }));
}

function makeParts(options: RegistryOptions, log: Logger): RepositoryParts {
  const trust = new Trust(options);
  const transport = new Transport(options, trust);
  return {
    options,
    trust,
    transport,
    tokens: new Tokens(transport, trust, options.limits),
    limits: options.limits,
    challenges: new Map<string, Challenge>(),
    schemes: new Map(),
    log,
  };
}

class RemoteRegistries implements OpenRegistries {
  readonly #log: Logger;
  #parts: RepositoryParts;

  constructor(options: RegistryOptions, log: Logger) {
    this.#log = log;
    this.#parts = makeParts(options, log);
  }

  replaceOptions(options: RegistryOptions): void {
    this.#parts.transport.closeIdle();
    this.#parts = makeParts(options, this.#log);
  }

  open(reference: Reference, credentials: Credentials | undefined, access: Access): Repository {
    return new RemoteRepository(reference, credentials, access, this.#parts);
  }

  checkLogin(server: string, credentials: Credentials, signal: AbortSignal): Promise<LoginResult> {
    return this.#overEitherScheme(hostOfServer(server), (registry) =>
      logIn(registry, credentials, this.#parts, signal),
    );
  }

  search(
    term: string,
    { limit, credentials }: SearchOptions,
    signal: AbortSignal,
  ): Promise<readonly SearchResult[]> {
    const { host, text } = parseSearchTerm(term);
    return this.#overEitherScheme(host, (registry) =>
      searchIndex(new Session(registry, credentials, this.#parts), text, limit, signal),
    );
  }

  download(url: URL, signal: AbortSignal): Promise<Downloaded> {
    return download(this.#parts, url, signal);
  }

  /** Over https; a host that needs no protection is asked without when https is not spoken there. */
  async #overEitherScheme<T>(host: string, work: (registry: URL) => Promise<T>): Promise<T> {
    const secure = new URL(`https://${host}`);
    try {
      return await work(secure);
    } catch (error) {
      const isUnspoken =
        error instanceof RegistryError && error.status === 0 && error.category === "unavailable";
      if (!isUnspoken || !(await this.#parts.trust.isInsecure(secure))) throw error;
      return work(new URL(`http://${host}`));
    }
  }

  close(): void {
    this.#parts.transport.close();
  }

  settings(): RegistrySettings {
    const { options, trust } = this.#parts;
    const { mirrors, hosts, insecure, proxies } = options;
    const named = new Set([...insecure.filter((entry) => parseCidr(entry) === undefined), ...hosts.keys()]);
    named.delete(HUB_DOMAIN);
    return {
      mirrors,
      insecureCidrs: trust.insecureRanges(),
      proxies: {
        http: shownProxy(proxies.http),
        https: shownProxy(proxies.https),
        exceptions: proxies.exceptions,
      },
      indexes: [
        {
          name: HUB_DOMAIN,
          mirrors: hosts.get(HUB_DOMAIN)?.mirrors ?? mirrors,
          isSecure: true,
          isOfficial: true,
        },
        ...[...named].map((name) => ({
          name,
          mirrors: hosts.get(name)?.mirrors ?? [],
          isSecure: !insecure.includes(name),
          isOfficial: false,
        })),
      ],
    };
  }
}
