/**
 * What a kind of network does in the kernel: the contract. Whether and with what is decided before (the records say it all);
 * a driver only makes it so.
 *
 * On crash: what is on the host has names and marks that follow from ids (`link-names.ts`), so the next start finds what
 * belongs to no record. What is inside a container goes with its network namespace.
 */
import type { Subnet } from "../../../linux/netlink/addresses.ts";
import type { Route } from "../../../linux/netlink/routes.ts";
import type { EndpointRecord } from "../endpoint-record.ts";
import type { NetworkRecord } from "../network-record.ts";

/** Whether the container's packets for elsewhere leave by an endpoint, for each family. */
export interface Ways {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** An endpoint as its container is to find it. */
export interface Interior {
  readonly addresses: readonly Subnet[];
  readonly routes: readonly Omit<Route, "link">[];
  readonly ways: Ways;
}

/** Of networks that have nothing in the kernel: "host" and "null". */
export const NO_DRIVER: Driver = {
  raise: () => Promise.resolve(),
  lower: () => Promise.resolve(),
  attach: () => Promise.resolve(),
  detach: () => Promise.resolve(),
  limit: () => Promise.resolve(),
  retire: () => Promise.resolve(),
};

export interface Driver {
  /**
   * Makes what the network has on the host, or brings it up to its record; may be called again and again. Throws `conflict`
   * when a name is somebody else's, `not_found` for a parent that is not there, `not_implemented` for what this kernel does
   * not know.
   */
  raise(network: NetworkRecord): Promise<void>;

  /** Deletes that; what is not there is fine. */
  lower(network: NetworkRecord): Promise<void>;

  /**
   * Makes the endpoint's link, up, in a container's namespace (a descriptor). After a rejection nothing is left. What an
   * earlier attempt of the same endpoint left is made anew.
   */
  attach(
    network: NetworkRecord,
    endpoint: EndpointRecord,
    namespace: number,
    interior: Interior,
  ): Promise<void>;

  /** Takes the endpoint from a container that goes on; what is not there is fine. */
  detach(network: NetworkRecord, endpoint: EndpointRecord, namespace: number): Promise<void>;

  /**
   * Has the rates of an endpoint that there is be those of its record, from which `attach` has made them; again and again is fine.
   * Throws `not_found` when its container is gone, `not_implemented` for what this kernel does not know. On crash, and after a
   * rejection: other limits, or some of these.
   */
  limit(network: NetworkRecord, endpoint: EndpointRecord): Promise<void>;

  /** Deletes what is on the host for an endpoint and does not go with its container's namespace; what is not there is fine. */
  retire(network: NetworkRecord, endpoint: EndpointRecord): Promise<void>;
}
