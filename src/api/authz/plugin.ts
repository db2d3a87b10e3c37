/**
 * One authorization plugin: a program with an HTTP server, found by its name as Docker finds it. It is asked before a request
 * is carried out and again before its answer goes out. Plugins of Docker's speak this protocol.
 *
 * A plugin that cannot be found or asked, or answers nonsense, refuses: nothing is carried out without its word.
 */
import { request as httpRequest } from "node:http";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, fail, messageOf } from "../../base/errors.ts";
import { asString, Fields, parseJson } from "../../specs/engine/fields.decode.ts";

const ACCEPTED = "application/vnd.docker.plugins.v1.2+json";
const ANSWER_MAX = 1 << 20;
const SPEC_MAX = 4096;
const TIMEOUT_MS = 10_000;

export interface PluginPlaces {
  /** NAME.sock or NAME/NAME.sock. */
  readonly sockets: string;
  /** NAME.spec: the plugin's URL. */
  readonly specs: readonly string[];
}

export const DOCKERS_PLACES: PluginPlaces = {
  sockets: "/run/docker/plugins",
  specs: ["/etc/docker/plugins", "/usr/lib/docker/plugins"],
};

export type Phase = "AuthZPlugin.AuthZReq" | "AuthZPlugin.AuthZRes";

export interface Verdict {
  readonly isAllowed: boolean;
  readonly message: string;
}

export type PluginAddress =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number };

export class AuthorizationPlugin {
  readonly name: string;
  readonly #places: PluginPlaces;
  #address: PluginAddress | undefined;

  constructor(name: string, places: PluginPlaces) {
    this.name = name;
    this.#places = places;
  }

  /** Finds it and asks whether it is one. Throws `unavailable`. */
  async activate(): Promise<void> {
    const address = await findPlugin(this.name, this.#places);
    const answer = new Fields(await this.#call(address, "Plugin.Activate", {}), "");
    if (!(answer.list("Implements", asString) ?? []).includes("authz"))
      throw fail("unavailable", `plugin "${this.name}" does not implement "authz"`);
    this.#address = address;
  }

  /** Throws `internal` when it has no word, in Docker's form. */
  async ask(phase: Phase, document: object): Promise<Verdict> {
    try {
      if (this.#address === undefined) await this.activate();
      const { address } = { address: this.#address };
      if (address === undefined) throw fail("unavailable", "it is not there");
      const answer = new Fields(await this.#call(address, phase, document), "");
      const error = answer.str("Err");
      if (error !== "") throw fail("internal", error);
      return { isAllowed: answer.bool("Allow"), message: answer.str("Msg") };
    } catch (error) {
      // It may come back somewhere else.
      this.#address = undefined;
      throw fail("internal", `plugin ${this.name} failed with error: ${messageOf(error)}`, error);
    }
  }

  async #call(address: PluginAddress, method: string, document: object): Promise<unknown> {
    const body = Buffer.from(JSON.stringify(document));
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const outgoing = httpRequest(
      {
        ...address,
        method: "POST",
        path: `/${method}`,
        agent: false,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: { Accept: ACCEPTED, "Content-Type": ACCEPTED, "Content-Length": body.length },
      },
      (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > ANSWER_MAX) response.destroy(new Error(`more than ${ANSWER_MAX} bytes of answer`));
          else chunks.push(chunk);
        });
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          if (response.statusCode !== 200)
            reject(fail("unavailable", `${method}: ${response.statusCode} ${text.slice(0, 200).trim()}`));
          else
            try {
              resolve(parseJson(text));
            } catch (error) {
              reject(error);
            }
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
    return await promise;
  }
}

async function findPlugin(name: string, { sockets, specs }: PluginPlaces): Promise<PluginAddress> {
  for (const path of [join(sockets, `${name}.sock`), join(sockets, name, `${name}.sock`)])
    if (await isSocket(path)) return { socketPath: path };
  for (const directory of specs) {
    const text = await specText(join(directory, `${name}.spec`));
    if (text !== undefined) return parseSpec(text.trim());
  }
  throw fail("unavailable", `plugin "${name}" not found`);
}

async function isSocket(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isSocket();
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return false;
    throw error;
  }
}

async function specText(path: string): Promise<string | undefined> {
  try {
    if ((await stat(path)).size > SPEC_MAX) throw fail("unavailable", `"${path}" is too large`);
    return await readFile(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** unix:///path or tcp://host:port. Throws `unavailable`. */
export function parseSpec(text: string): PluginAddress {
  const unix = /^unix:\/\/(\/.+)$/.exec(text)?.[1];
  if (unix !== undefined) return { socketPath: unix };
  const tcp = /^tcp:\/\/([^:/]+):(\d{1,5})\/?$/.exec(text);
  if (tcp === null) throw fail("unavailable", `a plugin at "${text.slice(0, 200)}" cannot be asked`);
  return { host: tcp[1] ?? "", port: Number(tcp[2]) };
}
