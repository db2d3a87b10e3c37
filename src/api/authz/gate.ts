/**
 * What stands between a request and its handler when there are authorization plugins: each is asked in turn, and the first that
 * says no ends it. They are shown the body that the handler then gets, and nothing else can be carried out: a JSON body is
 * read here, put into its canonical form, and handed on as that text. One that is too large to be shown is refused.
 *
 * What is no JSON is not shown, as with Docker: archives, and the streams of attach and exec; nor are credentials (the body of
 * /auth, and the headers that carry them). An answer is shown before it goes out; one that is a stream is not.
 */
import type { IncomingMessage } from "node:http";
import { fail } from "../../base/errors.ts";
import { parseJson } from "../../specs/engine/fields.decode.ts";
import { readText } from "../body.ts";
import { bodySchema, OPERATIONS } from "../openapi/operations.ts";
import type { Peer } from "../doors/peer.ts";
import type { Reply } from "../reply.ts";
import { AuthorizationPlugin, type Phase, type PluginPlaces } from "./plugin.ts";
import { HeldReply } from "./held-reply.ts";
import { canonicalBody } from "./canonical.ts";

/** Docker's. */
const BODY_MAX = 1 << 20;
const SECRET_HEADERS: ReadonlySet<string> = new Set([
  "authorization",
  "x-registry-config",
  "x-registry-auth",
]);

export interface Admitted {
  /** Of the request; undefined = nobody has read it. */
  readonly body: string | undefined;
  readonly reply: HeldReply;
}

/** What is asked, as the engine understands it. */
export interface Asked {
  /** "METHOD PATTERN". */
  readonly route: string;
  readonly uri: string;
  /** Who asks; undefined: nobody knows, as on a unix socket. */
  readonly peer: Peer | undefined;
}

export class AuthorizationGate {
  readonly #places: PluginPlaces;
  #plugins: readonly AuthorizationPlugin[] = [];

  constructor(places: PluginPlaces) {
    this.#places = places;
  }

  /** Whether anybody is to be asked. */
  get isClosed(): boolean {
    return this.#plugins.length > 0;
  }

  get names(): readonly string[] {
    return this.#plugins.map(({ name }) => name);
  }

  /** From the next request on these are asked. Throws `unavailable`, and changes nothing, when one is not there. */
  async choose(names: readonly string[]): Promise<void> {
    const plugins = names.map(
      (name) =>
        this.#plugins.find((known) => known.name === name) ?? new AuthorizationPlugin(name, this.#places),
    );
    for (const plugin of plugins) await plugin.activate();
    this.#plugins = plugins;
  }

  /** Throws `forbidden` when a plugin says no. */
  async admit(request: IncomingMessage, reply: Reply, { route, uri, peer }: Asked): Promise<Admitted> {
    const plugins = this.#plugins;
    const body = await bodyOf(request, route);
    const document = {
      ...(peer === undefined ? {} : identityOf(peer)),
      RequestMethod: request.method,
      RequestUri: uri,
      RequestHeaders: headersOf(request),
      ...(body === undefined || body === "" || route === "POST /auth"
        ? {}
        : { RequestBody: Buffer.from(body).toString("base64") }),
    };
    await ask(plugins, "AuthZPlugin.AuthZReq", document);
    const held = new HeldReply(reply, async ({ status, text, headers }) => {
      const isSecret = route === "POST /auth";
      await ask(plugins, "AuthZPlugin.AuthZRes", {
        ...document,
        ResponseStatusCode: status,
        ResponseHeaders: headers,
        ...(text === "" || isSecret ? {} : { ResponseBody: Buffer.from(text).toString("base64") }),
      });
    });
    return { body, reply: held };
  }
}

/** As Docker tells it: the certificates are PEM in base64 (authorization.PeerCertificate.MarshalJSON). */
function identityOf({ user, certificates }: Peer): object {
  return {
    ...(user === "" ? {} : { User: user }),
    UserAuthNMethod: "TLS",
    RequestPeerCertificates: certificates.map((text) => Buffer.from(text).toString("base64")),
  };
}

async function ask(plugins: readonly AuthorizationPlugin[], phase: Phase, document: object): Promise<void> {
  for (const plugin of plugins) {
    const { isAllowed, message } = await plugin.ask(phase, document);
    if (!isAllowed) throw fail("forbidden", `authorization denied by plugin ${plugin.name}: ${message}`);
  }
}

/** What the handler will read as JSON, in canonical form; undefined where it reads something else. */
async function bodyOf(request: IncomingMessage, route: string): Promise<string | undefined> {
  const schema = bodySchema(route);
  if (schema === undefined && readsStream(route)) return undefined;
  const text = await readText(request, BODY_MAX);
  return text.trim() === "" ? "" : JSON.stringify(canonicalBody(parseJson(text), schema ?? {}));
}

/** Archives, and what attached clients send. */
function readsStream(route: string): boolean {
  const operation = OPERATIONS.get(route);
  return operation?.takesArchive === true || operation?.status === 101;
}

function headersOf({ headers }: IncomingMessage): Readonly<Record<string, string>> {
  const shown: [string, string][] = [];
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !SECRET_HEADERS.has(name))
      shown.push([title(name), [value].flat().join(", ")]);
  return Object.fromEntries(shown);
}

/** As Go writes them: "content-type" → "Content-Type". */
function title(name: string): string {
  return name.replaceAll(/(^|-)[a-z]/g, (first) => first.toUpperCase());
}
