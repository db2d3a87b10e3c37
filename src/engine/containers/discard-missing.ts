/** Limits that this kernel cannot enforce: Docker leaves them out and warns. Pure; the words are Docker's. */
import type { HostFacts } from "../../linux/host-facts.ts";
import type { Resources } from "../../specs/engine/container.ts";

type Weights = Pick<Resources, "BlkioWeight" | "BlkioWeightDevice">;

export function discardMissing<T extends Weights>(
  resources: T,
  { missingLimits: missing }: Pick<HostFacts, "missingLimits">,
): { readonly resources: T; readonly warnings: readonly string[] } {
  const hasNoWeight = resources.BlkioWeight > 0 && missing?.has("blkio-weight") === true;
  const devices = resources.BlkioWeightDevice ?? [];
  const hasNoDeviceWeight = devices.length > 0 && missing?.has("blkio-weight-device") === true;
  return {
    resources: {
      ...resources,
      ...(hasNoWeight ? { BlkioWeight: 0 } : {}),
      ...(hasNoDeviceWeight ? { BlkioWeightDevice: [] } : {}),
    },
    warnings: [
      ...(hasNoWeight
        ? ["Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded."]
        : []),
      ...(hasNoDeviceWeight
        ? [
            "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.",
          ]
        : []),
    ],
  };
}
