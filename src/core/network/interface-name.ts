/** Names of interfaces inside a container: eth0, eth1 and so on in the order of attachment, unless a user names one. Pure. */
import { fail } from "../../base/errors.ts";

export const INTERFACE_NAME_OPTION = "com.docker.network.endpoint.ifname";

/** The kernel's rules for names of interfaces, and no slash or colon, which would change paths and lists made of them. */
export function isInterfaceName(name: string, limit = 15): boolean {
  return /^[!-.0-9;-~]+$/.test(name) && name !== "." && name !== ".." && name.length <= limit;
}

/** `taken`: names in the container by now, "lo" among them. Throws `invalid_argument` for a wish that cannot be, or `conflict`. */
export function interfaceNameOf(
  options: Readonly<Record<string, string>> | null,
  prefix: string,
  taken: ReadonlySet<string>,
): string {
  const wanted = options?.[INTERFACE_NAME_OPTION];
  if (wanted === undefined) {
    for (let n = 0; ; n++) if (!taken.has(`${prefix}${n}`)) return `${prefix}${n}`;
  }
  if (!isInterfaceName(wanted))
    throw fail("invalid_argument", `invalid interface name ${JSON.stringify(wanted.slice(0, 100))}`);
  if (taken.has(wanted)) throw fail("conflict", `interface name ${JSON.stringify(wanted)} is already in use`);
  return wanted;
}
