/**
 * The keys of daemon.json about networks, each with its flag. They are Docker's, but for `firewall-mode` and
 * `default-extra-hosts`. What values mean together is checked by `defaultBridgeConfig` and `planDefaultBridge`.
 */
import { fail, messageOf } from "../base/errors.ts";
import { parseAcceptMark, parseFirewallMode } from "../core/network/firewall/settings.ts";
import { decodeAddressPools } from "../core/network/pools.ts";
import { asInt, asList, asMap, asString, emptyMap, wrongType } from "../specs/engine/fields.decode.ts";
import type { NetworkSettings } from "./network-settings.ts";
import {
  boolOf,
  checkAddress,
  checkExtraHost,
  checkFirewallBackend,
  checkHostGateways,
  checkMtu,
  checkResolverOption,
  checkSearchDomain,
  integerOf,
  networkOptionOf,
  poolOf,
  refuseProxyPath,
} from "./network-settings-values.ts";

type Field = keyof NetworkSettings;
type FieldOf<T> = { [K in Field]-?: T extends Required<NetworkSettings>[K] ? K : never }[Field];
type ListField = "dns" | "dnsSearch" | "dnsOptions" | "hostGatewayIps" | "defaultExtraHosts";

interface Setting {
  readonly key: string;
  readonly field: Field;
  /** `before`: what other keys have said. */
  readonly read: (value: unknown, before: NetworkSettings) => NetworkSettings;
  readonly flag: string;
  /** The flag alone says "true". */
  readonly isSwitch?: true;
  /** `before`: what flags have said, this one among them. */
  readonly parse: (text: string, before: NetworkSettings) => NetworkSettings;
}

/** "" says nothing. */
function text<K extends Field>(key: string, field: K, check: (said: string) => NetworkSettings[K]): Setting {
  const parse = (said: string): NetworkSettings => (said === "" ? {} : { [field]: check(said) });
  return { key, field, read: (value) => parse(asString(value, key)), flag: `--${key}`, parse };
}

function plain(key: string, field: FieldOf<string>): Setting {
  return text(key, field, (said) => said);
}

function onOff(key: string, field: FieldOf<boolean>): Setting {
  return {
    key,
    field,
    read(value) {
      if (typeof value !== "boolean") throw wrongType(key, "true or false", value);
      return { [field]: value };
    },
    flag: `--${key}`,
    isSwitch: true,
    parse: (said) => ({ [field]: boolOf(said) }),
  };
}

/** Each flag gives one more. */
function list(key: string, flag: string, field: ListField, check: (said: string) => string): Setting {
  return {
    key,
    field,
    read: (value) => ({ [field]: asList(value, key, asString).map(check) }),
    flag,
    parse: (said, before) => ({ [field]: [...(before[field] ?? []), check(said)] }),
  };
}

const MTU: Setting = {
  key: "mtu",
  field: "mtu",
  read: (value) => mtuOf(asInt(value, "mtu")),
  flag: "--mtu",
  parse: (said) => mtuOf(integerOf(said)),
};

/** 0 says nothing. */
function mtuOf(value: number): NetworkSettings {
  return value === 0 ? {} : { mtu: checkMtu(value) };
}

const ADDRESS_POOLS: Setting = {
  key: "default-address-pools",
  field: "addressPools",
  read: (value) => ({ addressPools: decodeAddressPools(value) }),
  flag: "--default-address-pool",
  parse: (said, { addressPools = [] }) => ({ addressPools: [...addressPools, ...poolOf(said)] }),
};

const NETWORK_OPTIONS: Setting = {
  key: "default-network-opts",
  field: "networkOptions",
  read: (value) => ({
    networkOptions: asMap(value, "default-network-opts", (options, path) => asMap(options, path, asString)),
  }),
  flag: "--default-network-opt",
  parse(said, { networkOptions }) {
    const { driver, option, value } = networkOptionOf(said);
    const drivers = Object.assign(emptyMap<Readonly<Record<string, string>>>(), networkOptions);
    drivers[driver] = Object.assign(emptyMap<string>(), drivers[driver], { [option]: value });
    return { networkOptions: drivers };
  },
};

const HOST_GATEWAYS: Setting = {
  key: "host-gateway-ips",
  field: "hostGatewayIps",
  read: (value, before) => gatewaysOf(asList(value, "host-gateway-ips", asString), before),
  flag: "--host-gateway-ip",
  parse: (said, { hostGatewayIps = [] }) => gatewaysOf([...hostGatewayIps, said], {}),
};

/** Docker's older key, for one address. */
function readHostGateway(value: unknown, before: NetworkSettings): NetworkSettings {
  const said = asString(value, "host-gateway-ip");
  return said === "" ? {} : gatewaysOf([said], before);
}

function gatewaysOf(addresses: readonly string[], before: NetworkSettings): NetworkSettings {
  if (before.hostGatewayIps !== undefined)
    throw wrong("host-gateway-ip and host-gateway-ips must not both be specified in the config file");
  return { hostGatewayIps: checkHostGateways(addresses.map(checkAddress)) };
}

function acceptMarkOf(said: string): NonNullable<NetworkSettings["acceptMark"]> {
  try {
    return parseAcceptMark(said);
  } catch (error) {
    throw wrong(`invalid bridge-accept-fwmark: ${messageOf(error)}`, error);
  }
}

const SETTINGS: readonly Setting[] = [
  onOff("allow-direct-routing", "allowDirectRouting"),
  plain("bip", "bip"),
  plain("bip6", "bip6"),
  plain("bridge", "bridge"),
  text("bridge-accept-fwmark", "acceptMark", acceptMarkOf),
  ADDRESS_POOLS,
  list("default-extra-hosts", "--default-extra-host", "defaultExtraHosts", checkExtraHost),
  text("default-gateway", "defaultGateway", checkAddress),
  text("default-gateway-v6", "defaultGatewayV6", checkAddress),
  NETWORK_OPTIONS,
  list("dns", "--dns", "dns", checkAddress),
  list("dns-opts", "--dns-opt", "dnsOptions", checkResolverOption),
  list("dns-search", "--dns-search", "dnsSearch", checkSearchDomain),
  text("firewall-backend", "firewallBackend", checkFirewallBackend),
  text("firewall-mode", "firewallMode", parseFirewallMode),
  plain("fixed-cidr", "fixedCidr"),
  plain("fixed-cidr-v6", "fixedCidrV6"),
  HOST_GATEWAYS,
  onOff("icc", "icc"),
  text("ip", "ip", checkAddress),
  onOff("ip-forward", "ipForward"),
  onOff("ip-forward-no-drop", "ipForwardNoDrop"),
  onOff("ip-masq", "ipMasq"),
  onOff("ip6tables", "ip6tables"),
  onOff("iptables", "iptables"),
  onOff("ipv6", "ipv6"),
  MTU,
  text("resolv-conf", "resolvConf", checkResolvConf),
  onOff("userland-proxy", "userlandProxy"),
];

function checkResolvConf(path: string): string {
  if (!path.startsWith("/") || path.includes("\0"))
    throw wrong(`invalid "resolv-conf": ${JSON.stringify(path.slice(0, 200))} is not an absolute path`);
  return path;
}

type Reader = Setting["read"];
type FlagReader = Setting["parse"];

/** By key of daemon.json. */
export const NETWORK_READERS: Readonly<Record<string, Reader>> = Object.assign(
  emptyMap<Reader>(),
  Object.fromEntries(SETTINGS.map(({ key, read }) => [key, read])),
  { "host-gateway-ip": readHostGateway, "userland-proxy-path": refuseProxyPath },
);

export const NETWORK_FLAGS: ReadonlyMap<string, FlagReader> = new Map<string, FlagReader>([
  ...SETTINGS.map(({ flag, parse }) => [flag, named(flag, parse)] as const),
  ["-b", plain("bridge", "bridge").parse],
  ["--userland-proxy-path", refuseProxyPath],
]);

/** Flags that need no value. */
export const NETWORK_SWITCHES: ReadonlySet<string> = new Set(
  SETTINGS.filter(({ isSwitch }) => isSwitch).map(({ flag }) => flag),
);

/** What daemon.json calls it. */
export const NETWORK_KEYS: ReadonlyMap<string, string> = new Map(
  SETTINGS.map(({ field, key }) => [field, key]),
);

function named(flag: string, parse: FlagReader): FlagReader {
  return (said, before) => {
    try {
      return parse(said, before);
    } catch (error) {
      throw wrong(`invalid argument ${JSON.stringify(said)} for "${flag}" flag: ${messageOf(error)}`, error);
    }
  };
}

function wrong(message: string, cause?: unknown): Error {
  return fail("invalid_argument", message, cause);
}

export const NETWORK_HELP = `
Networks (true or false as in --icc=false):
      --allow-direct-routing   let others reach published ports by containers' own addresses
      --bip CIDR               the default bridge's IPv4 address, with its subnet's length
      --bip6 CIDR              the default bridge's IPv6 address, with its subnet's length
  -b, --bridge NAME            a bridge that is there already, as the default one
      --bridge-accept-fwmark MARK[/MASK]
                               let packets with this mark reach all ports of containers
      --default-address-pool base=CIDR,size=N
                               addresses that networks' subnets are cut from; can be repeated
      --default-extra-host NAME:IP
                               a name in containers' hosts files (default "host.docker.internal:host-gateway");
                               can be repeated
      --default-gateway IP     where containers of the default bridge send what leaves it
      --default-gateway-v6 IP  the same for IPv6
      --default-network-opt DRIVER=OPTION=VALUE
                               option of new networks that do not have it; can be repeated
      --dns IP                 name server of containers that name none; can be repeated
      --dns-opt OPTION         resolver option of containers that name none; can be repeated
      --dns-search DOMAIN      search domain of containers that name none; can be repeated
      --firewall-backend NAME  "nftables", the only one
      --firewall-mode MODE     managed: the host's other filters let published ports pass; respect-host: they
                               have the last word (default "managed")
      --fixed-cidr CIDR        IPv4 addresses that containers of the default bridge get
      --fixed-cidr-v6 CIDR     IPv6 addresses that containers of the default bridge get
      --host-gateway-ip IP     what "host-gateway" stands for, one for each version of IP; can be repeated
                               (default: the default bridge's addresses)
      --icc                    containers of the default bridge reach each other (default true)
      --ip IP                  where ports are published that name no address (default 0.0.0.0)
      --ip-forward             switch on forwarding where it is off (default true)
      --ip-forward-no-drop     and forward what is neither from nor to a container, too
      --ip-masq                what leaves the default bridge has an address of the host (default true)
      --ip6tables              filter and translate IPv6 (default true)
      --iptables               filter and translate IPv4 (default true)
      --ipv6                   IPv6 on the default bridge
      --mtu N                  of the default bridge (default 1500)
      --resolv-conf FILE       what containers' resolv.conf are made from (default "/etc/resolv.conf")
      --userland-proxy         forward what rules cannot, from the host's loopback above all (default true)
`;
