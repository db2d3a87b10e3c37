/** Which AppArmor profile a container's processes get. */
import type { HostFacts } from "../../linux/host-facts.ts";
import type { HostConfig } from "../../specs/engine/container.ts";
import { parseSecurityOptions } from "./security-options.ts";

/**
 * The one asked for; else none ("unconfined") for a privileged container and the engine's own for any other. Undefined:
 * AppArmor is off, or the engine's profile could not be loaded (a warning of `info` says so).
 */
export function apparmorProfile(
  { SecurityOpt, Privileged }: Pick<HostConfig, "SecurityOpt" | "Privileged">,
  facts: Pick<HostFacts, "apparmor" | "apparmorDefault" | "selinux">,
): string | undefined {
  if (!facts.apparmor) return undefined;
  const { apparmor } = parseSecurityOptions(SecurityOpt ?? [], facts);
  return apparmor ?? (Privileged ? "unconfined" : facts.apparmorDefault);
}
