/** The engine that a stored context names. */
import type { TlsMaterial } from "../tls.ts";
import { hostOf, readContext, skipsVerification } from "./store.ts";

/** `host` is "" for the local one. Throws `not_found`. */
export async function contextEndpoint(
  directory: string,
  name: string,
): Promise<{ readonly host: string; readonly tls: TlsMaterial | undefined }> {
  const context = await readContext(directory, name);
  const { tls } = context;
  const skipVerify = skipsVerification(context);
  if (tls.size === 0 && !skipVerify) return { host: hostOf(context), tls: undefined };
  const pem = (file: "ca.pem" | "cert.pem" | "key.pem"): string => tls.get(file) ?? "";
  return {
    host: hostOf(context),
    tls: { ca: pem("ca.pem"), cert: pem("cert.pem"), key: pem("key.pem"), skipVerify },
  };
}
