/** What the operator may say about registries, and the limits that hold for all of them. */
import { fail } from "../../base/errors.ts";
import type { Credentials } from "./distribution.ts";
import { parseCidr } from "./ip-range.ts";

export interface RegistryOptions {
  /** Of Docker Hub, in the order to ask. */
  readonly mirrors: readonly string[];
  /** Of other registries, by host. */
  readonly hosts: ReadonlyMap<string, { readonly mirrors: readonly string[] }>;
  /** The daemon's own at mirrors, by host with port if any. */
  readonly mirrorAccounts: ReadonlyMap<string, Credentials>;
  /** Hosts with port if any, and ranges: plain HTTP and certificates that nobody vouches for are fine there. */
  readonly insecure: readonly string[];
  /** Hosts and ranges that layers are pushed to though their makers do not want them distributed. */
  readonly nondistributable: readonly string[];
  /** Hold one directory per host, as Docker's /etc/docker/certs.d. */
  readonly certificateDirectories: readonly string[];
  /** PEM bundles of authorities, the first that exists counts; the runtime's own when none does. */
  readonly authorityFiles: readonly string[];
  readonly proxies: Proxies;
  /** Of anything that can be tried again. */
  readonly maxAttempts: number;
  readonly userAgent: string;
  readonly limits: Limits;
}

/** URLs, "" = none. */
export interface Proxies {
  readonly http: string;
  readonly https: string;
  /** Comma-separated: names, addresses, ranges, "*". */
  readonly exceptions: string;
}

export const NO_PROXIES: Proxies = { http: "", https: "", exceptions: "" };

export interface Limits {
  /** For one connection, with proxy and TLS. */
  readonly connectMs: number;
  /** From a request to the head of its answer. */
  readonly answerMs: number;
  /** A body that brings less than `stallBytes` in this time has stalled. */
  readonly stallMs: number;
  readonly stallBytes: number;
  /** For a whole document: manifest, token, list, error text. */
  readonly documentMs: number;
  /** The first wait before another attempt; doubles each time. */
  readonly firstWaitMs: number;
  /** No wait is longer. A registry that asks for more is not asked again. */
  readonly longestWaitMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  connectMs: 20_000,
  answerMs: 60_000,
  stallMs: 30_000,
  stallBytes: 4096,
  documentMs: 60_000,
  firstWaitMs: 500,
  longestWaitMs: 60_000,
};

/** Where distributions keep them, in the order that Go looks. */
export const AUTHORITY_FILES: readonly string[] = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** A mirror's URL, ending in "/". Throws `invalid_argument` with Docker's words. */
export function checkMirror(text: string): string {
  const scheme = /^([^:/]+):\/\//.exec(text)?.[1];
  if (scheme === undefined)
    throw invalid(
      `invalid mirror: no scheme specified for "${text}": must use either 'https://' or 'http://'`,
    );
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw fail("invalid_argument", `invalid mirror: "${text}" is not a valid URI`, cause);
  }
  if (url.username !== "" || url.password !== "") {
    url.password = "xxxxx";
    throw invalid(`invalid mirror: username/password not allowed in URI "${url.href}"`);
  }
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw invalid(
      `invalid mirror: unsupported scheme "${scheme}" in "${text}": must use either 'https://' or 'http://'`,
    );
  if (text.includes("?") || text.includes("#"))
    throw invalid(`invalid mirror: query or fragment at end of the URI "${text}"`);
  return url.href.endsWith("/") ? url.href : `${url.href}/`;
}

/** A registry's host as it stands in references. */
const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[a-fA-F0-9:]+\])(?::([0-9]{1,5}))?$/;

export function isHost(text: string): boolean {
  const match = HOST.exec(text);
  return text.length <= 300 && match !== null && !text.includes("..") && Number(match[1] ?? "0") <= 65535;
}

/** A host or a range of addresses. Throws `invalid_argument` with Docker's words. */
export function checkNondistributable(text: string): string {
  if (text.includes("://"))
    throw invalid(`allow-nondistributable-artifacts registry ${text} should not contain '://'`);
  if (text.includes("/") ? parseCidr(text) === undefined : !isHost(text))
    throw invalid(`allow-nondistributable-artifacts registry ${text} is not valid: invalid host "${text}"`);
  return text;
}

/** A host or a range of addresses. Throws `invalid_argument` with Docker's words. */
export function checkInsecureRegistry(text: string): string {
  const bare = text.replace(/^https?:\/\//i, "");
  if (bare.includes("://")) throw invalid(`insecure registry ${text} should not contain '://'`);
  if (bare.includes("/") ? parseCidr(bare) === undefined : !isHost(bare))
    throw invalid(`insecure registry ${text} is not valid: invalid host "${bare}"`);
  return bare;
}

/** The key of a table of hosts. Throws `invalid_argument`. */
export function checkHost(text: string): string {
  if (!isHost(text)) throw invalid(`invalid registry host "${text.slice(0, 300)}"`);
  return text;
}

function invalid(message: string): Error {
  return fail("invalid_argument", message);
}
