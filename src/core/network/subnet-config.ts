/** One subnet of a network, as it is asked for and as it is stored: texts, "" = nothing said. */
export interface SubnetConfig {
  /** "10.0.0.0/24". */
  readonly subnet: string;
  /** Part of the subnet that addresses are given from; "" = all of it. */
  readonly range: string;
  readonly gateway: string;
  /** Addresses that are never given, by name. */
  readonly auxiliary: Readonly<Record<string, string>>;
}

export const ANY_SUBNET: SubnetConfig = { subnet: "", range: "", gateway: "", auxiliary: {} };
