/** A registry in this process on a free port of the loopback, and a client that shows answers as they are. */
import { mkdtempSync, rmSync } from "node:fs";
import { type IncomingHttpHeaders, request } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Logger } from "../../base/log.ts";
import type { Content } from "../../core/content/content.ts";
import { openContent } from "../../core/content/local-store.ts";
import { MemoryLeases } from "../../core/metadata/memory-leases.ts";
import { openMetadata } from "../../core/metadata/sqlite-metadata.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";
import { type Listener, listenPlain } from "../listen.ts";
import { createRegistry, type Registry, type RegistryOptions } from "../registry.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
}

export interface Asked {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Without a length before it. */
  readonly chunked?: boolean;
}

export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";

export class RegistryHost {
  readonly registry: Registry;
  readonly content: Content;
  readonly leases: MemoryLeases;
  readonly log: string[] = [];
  readonly #root: string;
  readonly #closeStores: () => void;
  #listener: Listener | undefined;

  private constructor(root: string, options: Partial<RegistryOptions>) {
    this.#root = root;
    const log = new Logger((line) => this.log.push(line), "debug");
    const metadata = openMetadata({ path: join(root, "metadata.db"), onDamaged: () => {} });
    this.content = openContent(join(root, "content"), log);
    this.leases = new MemoryLeases();
    this.registry = createRegistry({ content: this.content, metadata, leases: this.leases, log, ...options });
    this.#closeStores = () => metadata.close();
  }

  static async start(options: Partial<RegistryOptions> = {}, root?: string): Promise<RegistryHost> {
    const host = new RegistryHost(root ?? mkdtempSync(join(tmpdir(), "registry-")), options);
    host.#listener = await listenPlain(host.registry, { host: "127.0.0.1", port: 0 });
    return host;
  }

  get listener(): Listener {
    if (this.#listener === undefined) throw new Error("the registry does not listen");
    return this.#listener;
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The same stores, anew. */
  async restart(options: Partial<RegistryOptions> = {}): Promise<RegistryHost> {
    await this.stop();
    return RegistryHost.start(options, this.#root);
  }

  async stop(): Promise<void> {
    await this.registry.close();
    await this.#listener?.close(0);
    this.#closeStores();
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.#root, { recursive: true, force: true });
  }

  ask(method: string, path: string, { headers = {}, body, chunked = false }: Asked = {}): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const target = path.startsWith("http") ? new URL(path) : undefined;
    const call = request(
      {
        host: "127.0.0.1",
        port: this.port,
        method,
        path: target === undefined ? path : target.pathname + target.search,
        agent: false,
        headers: {
          ...(chunked ? { "Transfer-Encoding": "chunked" } : {}),
          ...(body === undefined || chunked ? {} : { "Content-Length": String(Buffer.byteLength(body)) }),
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const bytes = Buffer.concat(chunks);
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            bytes,
            text: bytes.toString(),
          });
        });
      },
    );
    call.on("error", reject);
    call.end(body);
    return promise;
  }

  /** A connection of its own, for what no client library would send. */
  async raw(): Promise<Socket> {
    const socket = connect(this.port, "127.0.0.1");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once("connect", resolve);
    socket.once("error", reject);
    await promise;
    return socket;
  }

  /** Everything that comes back until the registry closes, for a request written as it is. */
  async rawAnswer(text: string | Uint8Array): Promise<string> {
    const socket = await this.raw();
    const { promise, resolve } = Promise.withResolvers<string>();
    let received = "";
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(received));
    socket.write(text);
    return promise;
  }

  /** Throws for anything but success. */
  async must(method: string, path: string, asked: Asked = {}): Promise<Answer> {
    const answer = await this.ask(method, path, asked);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer;
  }

  async pushBlob(repository: string, bytes: Uint8Array | string): Promise<PushedBlob> {
    const digest = sha256Of(bytes);
    await this.must("POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body: bytes });
    return { digest, size: Buffer.byteLength(bytes) };
  }

  /** Answers the digest. */
  async pushManifest(repository: string, reference: string, document: TypedDocument): Promise<string> {
    const body = JSON.stringify(document);
    await this.must("PUT", `/v2/${repository}/manifests/${reference}`, {
      body,
      headers: { "Content-Type": document.mediaType },
    });
    return sha256Of(body);
  }

  /** An image with one layer of that text. */
  async pushImage(repository: string, reference: string, layer: string): Promise<PushedImage> {
    const config = await this.pushBlob(repository, "{}");
    const blob = await this.pushBlob(repository, layer);
    const manifest = imageOf(config, blob);
    return { manifest, layer: blob, digest: await this.pushManifest(repository, reference, manifest) };
  }
}

export interface PushedBlob {
  readonly digest: string;
  readonly size: number;
}

export interface TypedDocument {
  readonly mediaType: string;
  readonly [field: string]: unknown;
}

export interface PushedImage {
  readonly manifest: TypedDocument;
  readonly layer: PushedBlob;
  readonly digest: string;
}

export function imageOf(config: PushedBlob, ...layers: readonly PushedBlob[]): TypedDocument {
  const document = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, ...config },
    layers: layers.map((layer) => ({ mediaType: OCI_LAYER, ...layer })),
  };
  return document;
}

/** The code of an error document, which must be one. */
export function codeOf(answer: Answer): string {
  const document: { errors?: { code?: string; message?: string }[] } = JSON.parse(answer.text);
  const [first] = document.errors ?? [];
  if (typeof first?.code !== "string" || typeof first.message !== "string")
    throw new Error(`no error document: ${answer.text}`);
  return `${answer.status} ${first.code}`;
}
