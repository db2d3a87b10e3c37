/**
 * POST /containers/{id}/update: Docker's document, resources at its top level, and what is Gantry's own below "Networking":
 *
 *     Memory, NanoCpus …    0, "" and null = as it is                                       (Docker's)
 *     RestartPolicy         Name "" = as it is                                              (Docker's)
 *     Networking            absent = as it is; fields that are none of these are refused
 *       PublishAdd          as HostConfig.PortBindings
 *       PublishRemove       the same; no list, or an empty one, is every binding of the port; an empty HostIp or HostPort is any
 *       RateIn, RateOut     bits per second, 0 = no limit, absent = as it is
 */
import type { PublishedPorts, Resources, RestartPolicy } from "./container.ts";

export interface ContainerUpdateRequest {
  readonly resources: Resources;
  readonly RestartPolicy: RestartPolicy;
  readonly Networking: NetworkingUpdate;
}

export interface NetworkingUpdate {
  readonly PublishAdd: PublishedPorts;
  readonly PublishRemove: PublishedPorts;
  readonly RateIn: number | null;
  readonly RateOut: number | null;
}

export interface ContainerUpdateResponse {
  /** null = none. */
  readonly Warnings: readonly string[] | null;
}
