/** Network documents of the Engine API 1.51, with Docker's own field names, decoded: every field is present. */

export interface IpamConfig {
  readonly Subnet: string;
  readonly IPRange: string;
  readonly Gateway: string;
  readonly AuxiliaryAddresses: Readonly<Record<string, string>>;
}

export interface NetworkIpam {
  /** "" = "default". */
  readonly Driver: string;
  readonly Options: Readonly<Record<string, string>> | null;
  readonly Config: readonly IpamConfig[];
}

export interface NetworkCreateRequest {
  readonly Name: string;
  /** "" = "bridge". */
  readonly Driver: string;
  readonly Scope: string;
  /** null = unless an option says otherwise. */
  readonly EnableIPv4: boolean | null;
  readonly EnableIPv6: boolean | null;
  readonly IPAM: NetworkIpam | null;
  readonly Internal: boolean;
  readonly Attachable: boolean;
  readonly Ingress: boolean;
  readonly ConfigOnly: boolean;
  /** Name of a network, "" = none. */
  readonly ConfigFrom: string;
  readonly Options: Readonly<Record<string, string>>;
  readonly Labels: Readonly<Record<string, string>>;
}

/** What a container asks of its place in a network. */
export interface EndpointConfig {
  readonly IPAMConfig: EndpointIpamConfig | null;
  readonly Links: readonly string[] | null;
  readonly Aliases: readonly string[] | null;
  /** "" = any. */
  readonly MacAddress: string;
  readonly DriverOpts: Readonly<Record<string, string>> | null;
  readonly GwPriority: number;
}

/** "" = any address. */
export interface EndpointIpamConfig {
  readonly IPv4Address: string;
  readonly IPv6Address: string;
  readonly LinkLocalIPs: readonly string[] | null;
}

/** EndpointIpamConfig in an answer: without what is empty. */
export interface EndpointIpamDocument {
  readonly IPv4Address?: string;
  readonly IPv6Address?: string;
  readonly LinkLocalIPs?: readonly string[];
}

/** An entry of IPAM.Config in an answer: without what is empty. */
export interface IpamConfigDocument {
  readonly Subnet?: string;
  readonly IPRange?: string;
  readonly Gateway?: string;
  readonly AuxiliaryAddresses?: Readonly<Record<string, string>>;
}

export interface EndpointResource {
  readonly Name: string;
  readonly EndpointID: string;
  readonly MacAddress: string;
  /** With their subnets' lengths. */
  readonly IPv4Address: string;
  readonly IPv6Address: string;
}

export interface NetworkInspect {
  readonly Name: string;
  readonly Id: string;
  readonly Created: string;
  readonly Scope: string;
  readonly Driver: string;
  readonly EnableIPv4: boolean;
  readonly EnableIPv6: boolean;
  readonly IPAM: {
    readonly Driver: string;
    readonly Options: Readonly<Record<string, string>> | null;
    readonly Config: readonly IpamConfigDocument[] | null;
  };
  readonly Internal: boolean;
  readonly Attachable: boolean;
  readonly Ingress: boolean;
  readonly ConfigFrom: { readonly Network: string };
  readonly ConfigOnly: boolean;
  readonly Containers: Readonly<Record<string, EndpointResource>>;
  readonly Options: Readonly<Record<string, string>>;
  readonly Labels: Readonly<Record<string, string>>;
}

export interface NetworkConnectRequest {
  readonly Container: string;
  readonly EndpointConfig: EndpointConfig | null;
}

export interface NetworkDisconnectRequest {
  readonly Container: string;
  readonly Force: boolean;
}
