/** Limits that this kernel, or a device's scheduler, cannot enforce: Docker leaves them out and warns. The words are Docker's. */
import { canWeigh } from "../../linux/block-weights.ts";
import type { HostFacts } from "../../linux/host-facts.ts";
import type { Resources } from "../../specs/engine/container.ts";

type Weights = Pick<Resources, "BlkioWeight" | "BlkioWeightDevice">;

export function discardMissing<T extends Weights>(
  resources: T,
  { missingLimits: missing }: Pick<HostFacts, "missingLimits">,
  weighs: (path: string) => boolean = canWeigh,
): { readonly resources: T; readonly warnings: readonly string[] } {
  const hasNoWeight = resources.BlkioWeight > 0 && missing?.has("blkio-weight") === true;
  const devices = resources.BlkioWeightDevice ?? [];
  const weighed =
    missing?.has("blkio-weight-device") === true ? [] : devices.filter(({ Path }) => weighs(Path));
  const hasNoDeviceWeight = weighed.length < devices.length;
  return {
    resources: {
      ...resources,
      ...(hasNoWeight ? { BlkioWeight: 0 } : {}),
      ...(hasNoDeviceWeight ? { BlkioWeightDevice: weighed } : {}),
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
