import { Readable } from "node:stream";
import { fail } from "../../base/errors.ts";
import type {
  Credentials,
  Downloaded,
  LoginResult,
  Registries,
  RegistrySettings,
  Repository,
  SearchOptions,
  SearchResult,
} from "../../core/distribution/distribution.ts";
import type { Reference } from "../../specs/oci-image/reference.ts";

/** One user, "ann" with the password "right", and whatever the test says is found. Nothing can be pulled. */
export class FakeRegistries implements Registries {
  found: readonly SearchResult[] = [];
  /** By URL. */
  readonly files = new Map<string, Buffer>();
  readonly searches: (SearchOptions & { readonly term: string })[] = [];

  open(reference: Reference): Repository {
    throw fail("unavailable", `no route to ${reference.domain}`);
  }

  async checkLogin(server: string, { username, password }: Credentials): Promise<LoginResult> {
    if (username !== "ann" || password !== "right")
      throw fail("unauthorized", `Get "https://${server}/v2/": unauthorized: incorrect username or password`);
    return { status: "Login Succeeded", identityToken: "token" };
  }

  async search(term: string, options: SearchOptions): Promise<readonly SearchResult[]> {
    this.searches.push({ term, ...options });
    return this.found;
  }

  download(url: URL): Promise<Downloaded> {
    const bytes = this.files.get(url.href);
    if (bytes === undefined)
      return Promise.reject(fail("not_found", `failed to GET ${url.href} with status 404 Not Found: no`));
    return Promise.resolve({ sizeBytes: bytes.length, bytes: Readable.from([bytes]) });
  }

  settings(): RegistrySettings {
    return {
      mirrors: ["https://mirror.example/"],
      insecureCidrs: ["::1/128", "127.0.0.0/8"],
      proxies: { http: "", https: "http://xxxxx:xxxxx@proxy:3128", exceptions: "local" },
      indexes: [
        { name: "docker.io", mirrors: ["https://mirror.example/"], isSecure: true, isOfficial: true },
        { name: "r:5000", mirrors: [], isSecure: false, isOfficial: false },
      ],
    };
  }
}
