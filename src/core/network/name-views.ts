/** The names of each network's members, gathered once for all who ask. */
import { ipBytes } from "../../base/ip-address.ts";
import { addressOf, parsePrefix } from "../../base/ip-prefix.ts";
import { type NamedEndpoint, type NetworkNames, networkNames } from "./dns/name-view.ts";
import type { EndpointRecord } from "./endpoint-record.ts";
import type { Networks } from "./networks.ts";
import type { NetworkRecord } from "./network-record.ts";

export class NameViews {
  readonly #networks: Pick<Networks, "endpointsOf">;
  readonly #views = new Map<string, NetworkNames>();

  constructor(networks: Pick<Networks, "endpointsOf">) {
    this.#networks = networks;
  }

  of({ id, name }: Pick<NetworkRecord, "id" | "name">): NetworkNames {
    const known = this.#views.get(id);
    if (known !== undefined) return known;
    const view = networkNames(name, this.#networks.endpointsOf(id).flatMap(namedEndpoint));
    this.#views.set(id, view);
    return view;
  }

  /** Somebody has come, gone, or is called otherwise. */
  changed(networkId: string): void {
    this.#views.delete(networkId);
  }
}

function namedEndpoint({ names, ipv4, ipv6 }: EndpointRecord): readonly NamedEndpoint[] {
  const [name, ...aliases] = names;
  return name === undefined ? [] : [{ name, aliases, v4: addressesOf(ipv4), v6: addressesOf(ipv6) }];
}

function addressesOf(text: string): readonly Uint8Array[] {
  const prefix = parsePrefix(text);
  return prefix === undefined ? [] : [ipBytes(addressOf(prefix))];
}
