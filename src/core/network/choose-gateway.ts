/** Which of a container's networks its packets for elsewhere leave by. Pure. */

export interface GatewayCandidate {
  readonly networkName: string;
  readonly priority: number;
  readonly isInternal: boolean;
  /** Whether packets of the family can leave by it. */
  readonly hasIpv4Gateway: boolean;
  readonly hasIpv6Gateway: boolean;
}

/**
 * The highest priority; of equals one that is not internal, then one that both families can leave by, then the first name.
 * Each family by itself: undefined where nothing leads out.
 */
export function chooseGateway<T extends GatewayCandidate>(
  candidates: readonly T[],
): { readonly ipv4: T | undefined; readonly ipv6: T | undefined } {
  const sorted = byPreference(candidates);
  return {
    ipv4: sorted.find(({ hasIpv4Gateway }) => hasIpv4Gateway),
    ipv6: sorted.find(({ hasIpv6Gateway }) => hasIpv6Gateway),
  };
}

/** In the order in which packets would leave by them, and names are asked for in them. */
export function byPreference<T extends GatewayCandidate>(candidates: readonly T[]): readonly T[] {
  return [...candidates].sort(compare);
}

function compare(a: GatewayCandidate, b: GatewayCandidate): number {
  return (
    b.priority - a.priority ||
    Number(a.isInternal) - Number(b.isInternal) ||
    families(b) - families(a) ||
    (a.networkName < b.networkName ? -1 : Number(a.networkName > b.networkName))
  );
}

function families({ hasIpv4Gateway, hasIpv6Gateway }: GatewayCandidate): number {
  return Number(hasIpv4Gateway) + Number(hasIpv6Gateway);
}
