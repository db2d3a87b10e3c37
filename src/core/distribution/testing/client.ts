/** A client as tests want it: limits of milliseconds, nothing of this machine. */
import { NO_LOG } from "../../../base/log.ts";
import { parseReference } from "../../../specs/oci-image/reference.ts";
import type { Access, Credentials, Repository } from "../distribution.ts";
import { type OpenRegistries, openRegistries } from "../registries.ts";
import { type Limits, NO_PROXIES, type RegistryOptions } from "../registry-options.ts";

export const SHORT_LIMITS: Limits = {
  connectMs: 500,
  answerMs: 500,
  stallMs: 300,
  stallBytes: 64,
  documentMs: 1_000,
  firstWaitMs: 1,
  longestWaitMs: 2_000,
};

export function clientOptions(options: Partial<RegistryOptions> = {}): RegistryOptions {
  return {
    mirrors: [],
    hosts: new Map(),
    mirrorAccounts: new Map(),
    insecure: [],
    nondistributable: [],
    certificateDirectories: [],
    authorityFiles: [],
    proxies: NO_PROXIES,
    maxAttempts: 3,
    userAgent: "gantry/test",
    limits: SHORT_LIMITS,
    ...options,
  };
}

export function client(options: Partial<RegistryOptions> = {}): OpenRegistries {
  return openRegistries(clientOptions(options), NO_LOG);
}

export function repositoryAt(
  host: string,
  options: {
    readonly name?: string;
    readonly credentials?: Credentials;
    readonly access?: Access;
    readonly registries?: OpenRegistries;
  } = {},
): Repository {
  const reference = parseReference(`${host}/${options.name ?? "team/app:v1"}`);
  return (options.registries ?? client()).open(reference, options.credentials, options.access ?? "pull");
}

export const USER: Credentials = {
  username: "ann",
  password: "s3cret-pa55",
  identityToken: "",
  registryToken: "",
};

export const never = new AbortController().signal;

export const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";

/** A manifest that refers to one layer. */
export function manifestBytes(extra: Record<string, unknown> = {}): Buffer {
  const digest = `sha256:${"a".repeat(64)}`;
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: { mediaType: "application/vnd.oci.image.config.v1+json", digest, size: 2 },
      layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest, size: 3 }],
      ...extra,
    }),
  );
}
