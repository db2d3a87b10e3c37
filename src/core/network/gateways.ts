/** By which of its endpoints a container's packets leave. Pure. */
import { byPreference, chooseGateway, type GatewayCandidate } from "./choose-gateway.ts";
import { driverSettings } from "./driver-settings.ts";
import type { Ways } from "./drivers/driver.ts";
import type { AttachmentRecord, EndpointRecord } from "./endpoint-record.ts";
import type { NetworkRecord } from "./network-record.ts";

/** A container in one of its networks. */
export interface Place {
  readonly network: NetworkRecord;
  readonly attachment: AttachmentRecord;
  readonly endpoint: EndpointRecord;
}

export interface Gateways {
  readonly ipv4: Place | undefined;
  readonly ipv6: Place | undefined;
}

export function gatewaysOf(places: readonly Place[]): Gateways {
  const { ipv4, ipv6 } = chooseGateway(places.map(candidate));
  return { ipv4: ipv4?.place, ipv6: ipv6?.place };
}

/** The ones that packets for elsewhere would rather leave by come first. */
export function placesByPreference(places: readonly Place[]): readonly Place[] {
  return byPreference(places.map(candidate)).map(({ place }) => place);
}

function candidate(place: Place): GatewayCandidate & { readonly place: Place } {
  return {
    place,
    networkName: place.network.name,
    priority: place.attachment.config.GwPriority,
    isInternal: place.network.isInternal,
    hasIpv4Gateway: leadsOut(place, place.endpoint.ipv4, place.endpoint.ipv4Gateway),
    hasIpv6Gateway: leadsOut(place, place.endpoint.ipv6, place.endpoint.ipv6Gateway),
  };
}

export function waysOf({ endpoint }: Place, gateways: Gateways): Ways {
  return {
    ipv4: gateways.ipv4?.endpoint.id === endpoint.id,
    ipv6: gateways.ipv6?.endpoint.id === endpoint.id,
  };
}

/** A routed ipvlan needs no gateway: its parent routes. */
function leadsOut({ network }: Place, address: string, gateway: string): boolean {
  if (gateway !== "") return true;
  if (address === "" || network.isInternal) return false;
  const settings = driverSettings(network);
  return settings.kind === "ipvlan" && settings.mode !== "l2" && settings.parent !== "";
}
