/** Who a client of a TLS door is, by the certificate that it has shown. */
import { X509Certificate } from "node:crypto";
import type { DetailedPeerCertificate, TLSSocket } from "node:tls";

export interface Peer {
  /** The common name in its certificate; "" = there is none. */
  readonly user: string;
  /** PEM: its own, then those between that and the authority's. */
  readonly certificates: readonly string[];
}

/** More than any chain that a client would be let in with (RFC 5246 knows no limit). */
const CHAIN_MAX = 10;

/** Undefined: it has shown none, or none that its door trusts. */
export function peerOf(socket: TLSSocket): Peer | undefined {
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate(true);
  const certificates: string[] = [];
  let next: DetailedPeerCertificate | undefined = certificate;
  while (next?.raw !== undefined && certificates.length < CHAIN_MAX) {
    const issuer: DetailedPeerCertificate | undefined = next.issuerCertificate;
    const isRoot: boolean = issuer === undefined || issuer.fingerprint256 === next.fingerprint256;
    if (isRoot && certificates.length > 0) break;
    certificates.push(new X509Certificate(next.raw).toString());
    next = isRoot ? undefined : issuer;
  }
  if (certificates.length === 0) return undefined; // and no subject
  // A name that is there twice is a list.
  const [user = ""] = [certificate.subject.CN].flat();
  return { user, certificates };
}
