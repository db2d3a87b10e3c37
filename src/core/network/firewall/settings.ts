/** What daemon.json says of the firewall, as options of the table. Pure. */
import { fail } from "../../../base/errors.ts";
import { DEFAULT_FIREWALL_OPTIONS, type FirewallOptions } from "./firewall.ts";

/** "managed": what the table accepts, the host's other firewalls let pass. "respect-host": they have the last word. */
export type FirewallMode = "managed" | "respect-host";

export interface FirewallSettings {
  readonly iptables: boolean;
  readonly ip6tables: boolean;
  readonly mode: FirewallMode;
  readonly allowDirectRouting: boolean;
  readonly acceptMark?: FirewallOptions["acceptMark"];
}

export const DEFAULT_FIREWALL_SETTINGS: FirewallSettings = {
  iptables: true,
  ip6tables: true,
  mode: "managed",
  allowDirectRouting: false,
};

export function parseFirewallMode(text: string): FirewallMode {
  if (text === "managed" || text === "respect-host") return text;
  throw fail(
    "invalid_argument",
    `${JSON.stringify(text)} is no firewall-mode: it is "managed" or "respect-host"`,
  );
}

/** `bridge-accept-fwmark`: "1", "0x10/0xf0". */
export function parseAcceptMark(text: string): NonNullable<FirewallOptions["acceptMark"]> {
  const match = /^(0x[0-9a-f]{1,8}|\d{1,10})(?:\/(0x[0-9a-f]{1,8}|\d{1,10}))?$/i.exec(text);
  const [value, mask] = [Number(match?.[1]), Number(match?.[2] ?? 0xffff_ffff)];
  if (match === null || value > 0xffff_ffff || mask > 0xffff_ffff)
    throw fail("invalid_argument", `${JSON.stringify(text)} is no mark of packets`);
  return { value, mask };
}

/** `closed`: as `forwardingOf` has decided. */
export function firewallOptions(
  { iptables, ip6tables, allowDirectRouting, acceptMark }: FirewallSettings,
  closed: FirewallOptions["closed"],
): FirewallOptions {
  return {
    ...DEFAULT_FIREWALL_OPTIONS,
    ipv4: iptables,
    ipv6: ip6tables,
    directRouting: allowDirectRouting,
    acceptMark,
    closed,
  };
}

/** Whether `keepPassages` shall open any. */
export function wantsPassages({ iptables, ip6tables, mode }: FirewallSettings): boolean {
  return mode === "managed" && (iptables || ip6tables);
}
