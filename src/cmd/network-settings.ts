/** What daemon.json says of networks: Docker's keys for the default network and for the pools that subnets come from. */
import { fail } from "../base/errors.ts";
import { DEFAULT_BRIDGE_CONFIG, type DefaultBridgeConfig } from "../core/network/default-bridge.ts";
import { type AddressPool, decodeAddressPools } from "../core/network/pools.ts";
import { asInt, asMap, asString, emptyMap, wrongType } from "../specs/engine/fields.decode.ts";

/** Absent = not said. */
export interface NetworkSettings extends Partial<DefaultBridgeConfig> {
  readonly addressPools?: readonly AddressPool[];
  /** Options of networks without the option, by driver. */
  readonly networkOptions?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

type Reader = (value: unknown) => NetworkSettings;

const TEXTS = {
  bip: "bip",
  bip6: "bip6",
  bridge: "bridge",
  "default-gateway": "defaultGateway",
  "default-gateway-v6": "defaultGatewayV6",
  "fixed-cidr": "fixedCidr",
  "fixed-cidr-v6": "fixedCidrV6",
  ip: "ip",
} as const;

const FLAGS = { icc: "icc", "ip-masq": "ipMasq", ipv6: "ipv6" } as const;

/** By key of daemon.json. What values mean together is checked by `planDefaultBridge`. */
export const NETWORK_READERS: Readonly<Record<string, Reader>> = Object.assign(
  emptyMap<Reader>(),
  Object.fromEntries(
    Object.entries(TEXTS).map(([key, name]): [string, Reader] => [
      key,
      (value) => ({ [name]: asString(value, key) }),
    ]),
  ),
  Object.fromEntries(
    Object.entries(FLAGS).map(([key, name]): [string, Reader] => [
      key,
      (value) => ({ [name]: flagOf(key, value) }),
    ]),
  ),
  {
    mtu: (value: unknown) => ({ mtu: asInt(value, "mtu") }),
    "default-address-pools": (value: unknown) => ({ addressPools: decodeAddressPools(value) }),
    "default-network-opts": (value: unknown) => ({
      networkOptions: asMap(value, "default-network-opts", (options, path) => asMap(options, path, asString)),
    }),
  },
);

function flagOf(key: string, value: unknown): boolean {
  if (typeof value !== "boolean") throw wrongType(key, "true or false", value);
  return value;
}

/** Throws `invalid_argument` for a bridge by name together with an address for it: it has its own. */
export function defaultBridgeConfig(settings: NetworkSettings): DefaultBridgeConfig {
  const { addressPools: _pools, networkOptions: _options, ...said } = settings;
  const config = { ...DEFAULT_BRIDGE_CONFIG, ...said };
  if (config.bridge !== "" && config.bip !== "")
    throw fail(
      "invalid_argument",
      "you specified -b & --bip, mutually exclusive options. Please specify only one",
    );
  return config;
}
