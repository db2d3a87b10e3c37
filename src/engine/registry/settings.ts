/** What `info` says about registries and proxies. */
import type { RegistrySettings } from "../../core/distribution/distribution.ts";
import type { SystemInfo } from "../../specs/engine/system.ts";

export function registryConfig(settings: RegistrySettings): SystemInfo["RegistryConfig"] {
  return {
    IndexConfigs: Object.fromEntries(
      settings.indexes.map(({ name, mirrors, isSecure, isOfficial }) => [
        name,
        { Name: name, Mirrors: mirrors, Secure: isSecure, Official: isOfficial },
      ]),
    ),
    InsecureRegistryCIDRs: settings.insecureCidrs,
    Mirrors: settings.mirrors,
  };
}
