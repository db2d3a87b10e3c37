import { describe, expect, test } from "bun:test";
import { DEFAULT_BRIDGE_CONFIG } from "../core/network/default-bridge.ts";
import { DEFAULT_FIREWALL_SETTINGS } from "../core/network/firewall/settings.ts";
import { poolDocuments } from "../core/network/pools.ts";
import { decodeDaemonConfig } from "./daemon-config.ts";
import { DAEMON_HELP, daemonOptions, parseDaemonFlags } from "./daemon-options.ts";
import {
  defaultBridgeConfig,
  firewallSettings,
  NETWORK_DEFAULTS,
  type NetworkSettings,
} from "./network-settings.ts";
import { NETWORK_FLAGS } from "./network-settings-keys.ts";

function settings(words: readonly string[], file: object = {}): NetworkSettings {
  const flags = parseDaemonFlags(words);
  if (typeof flags === "string") throw new Error(flags);
  return daemonOptions(flags, decodeDaemonConfig(JSON.stringify(file))).network;
}

function read(file: object): NetworkSettings {
  return settings([], file);
}

/** The message, whole. */
function refusalOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof Error) return error.message;
  }
  return "accepted";
}

const FILE = {
  "allow-direct-routing": true,
  bip: "10.1.0.1/16",
  bip6: "fd00::1/64",
  "bridge-accept-fwmark": "0x10/0xf0",
  "default-address-pools": [
    { base: "10.10.0.0/16", size: 24 },
    { base: "fd01::/48", size: 64 },
  ],
  "default-extra-hosts": ["build.internal:host-gateway", "db:fd00::7"],
  "default-gateway": "10.1.0.254",
  "default-gateway-v6": "fd00::fe",
  "default-network-opts": {
    bridge: { "com.docker.network.driver.mtu": "1400", "com.docker.network.bridge.name": "a=b" },
    macvlan: { macvlan_mode: "vepa" },
  },
  dns: ["9.9.9.9", "2620:fe::fe"],
  "dns-opts": ["ndots:2", "rotate"],
  "dns-search": ["example.org", "."],
  "resolv-conf": "/run/resolver/resolv.conf",
  "firewall-backend": "nftables",
  "firewall-mode": "respect-host",
  "fixed-cidr": "10.1.2.0/24",
  "fixed-cidr-v6": "fd00::/80",
  "host-gateway-ips": ["10.1.0.1", "fd00::1"],
  icc: false,
  ip: "127.0.0.1",
  "ip-forward": false,
  "ip-forward-no-drop": true,
  "ip-masq": false,
  ip6tables: false,
  iptables: true,
  ipv6: true,
  mtu: 1400,
  "userland-proxy": false,
};

const WORDS = [
  "--allow-direct-routing",
  "--bip=10.1.0.1/16",
  "--bip6=fd00::1/64",
  "--bridge-accept-fwmark=0x10/0xf0",
  "--default-address-pool=base=10.10.0.0/16,size=24",
  "--default-address-pool=size=64,Base=fd01::/48",
  "--default-extra-host=build.internal=host-gateway",
  "--default-extra-host=db:[fd00::7]",
  "--default-gateway=10.1.0.254",
  "--default-gateway-v6=fd00::00fe",
  "--default-network-opt=bridge=com.docker.network.driver.mtu=1400",
  "--default-network-opt=macvlan=macvlan_mode=vepa",
  "--default-network-opt=bridge=com.docker.network.bridge.name=a=b",
  "--dns=9.9.9.9",
  "--dns=2620:fe:0::fe",
  "--dns-opt=ndots:2",
  "--dns-opt=rotate",
  "--resolv-conf=/run/resolver/resolv.conf",
  "--dns-search=example.org.",
  "--dns-search=.",
  "--firewall-backend=nftables",
  "--firewall-mode=respect-host",
  "--fixed-cidr=10.1.2.0/24",
  "--fixed-cidr-v6=fd00::/80",
  "--host-gateway-ip=10.1.0.1",
  "--host-gateway-ip=fd00::1",
  "--icc=false",
  "--ip=127.0.0.1",
  "--ip-forward=0",
  "--ip-forward-no-drop",
  "--ip-masq=F",
  "--ip6tables=False",
  "--iptables",
  "--ipv6=1",
  "--mtu=1400",
  "--userland-proxy=false",
];

describe("what is said about networks", () => {
  test("has every key of daemon.json", () => {
    const { addressPools = [], networkOptions, ...said } = read(FILE);
    expect(said).toEqual({
      bip: "10.1.0.1/16",
      bip6: "fd00::1/64",
      defaultGateway: "10.1.0.254",
      defaultGatewayV6: "fd00::fe",
      fixedCidr: "10.1.2.0/24",
      fixedCidrV6: "fd00::/80",
      ip: "127.0.0.1",
      icc: false,
      ipMasq: false,
      ipv6: true,
      mtu: 1400,
      iptables: true,
      ip6tables: false,
      firewallBackend: "nftables",
      firewallMode: "respect-host",
      allowDirectRouting: true,
      acceptMark: { value: 0x10, mask: 0xf0 },
      ipForward: false,
      ipForwardNoDrop: true,
      userlandProxy: false,
      dns: ["9.9.9.9", "2620:fe::fe"],
      dnsSearch: ["example.org", "."],
      dnsOptions: ["ndots:2", "rotate"],
      resolvConf: "/run/resolver/resolv.conf",
      hostGatewayIps: ["10.1.0.1", "fd00::1"],
      defaultExtraHosts: ["build.internal:host-gateway", "db:fd00::7"],
    });
    expect(poolDocuments(addressPools)).toEqual([
      { Base: "10.10.0.0/16", Size: 24 },
      { Base: "fd01::/48", Size: 64 },
    ]);
    expect(JSON.parse(JSON.stringify(networkOptions))).toEqual(FILE["default-network-opts"]);
  });

  test("is the same by flags", () => {
    expect(settings(WORDS)).toEqual(read(FILE));
    expect(settings(["-b", "br0"])).toEqual(read({ bridge: "br0" }));
    expect(settings(["--bridge", "br0"])).toEqual(read({ bridge: "br0" }));
  });

  test("is in the help", () => {
    const missing = [...NETWORK_FLAGS.keys()].filter(
      (flag) => !new RegExp(`^ +(?:-b, )?${flag}[ ,]`, "m").test(DAEMON_HELP),
    );
    expect(missing).toEqual(["--userland-proxy-path"]);
  });

  test("is nothing where the text is empty or the number 0", () => {
    const nothing = { bip: "", ip: "", "bridge-accept-fwmark": "", "firewall-backend": "", mtu: 0 };
    expect(read({ ...nothing, "firewall-mode": "", "host-gateway-ip": "", "default-gateway": null })).toEqual(
      {},
    );
    expect(settings(["--mtu", "0"])).toEqual({});
    expect(decodeDaemonConfig('{"bip": ""}')).toEqual({});
  });

  test("has empty lists as such: no extra hosts", () => {
    expect({ ...NETWORK_DEFAULTS, ...read({ "default-extra-hosts": [] }) }.defaultExtraHosts).toEqual([]);
    expect(NETWORK_DEFAULTS.defaultExtraHosts).toEqual(["host.docker.internal:host-gateway"]);
  });

  test("may give the address of host-gateway in the older key", () => {
    expect(read({ "host-gateway-ip": "10.1.0.1" })).toEqual({ hostGatewayIps: ["10.1.0.1"] });
  });

  test("means nothing by names that objects have", () => {
    const { networkOptions } = settings(["--default-network-opt=__proto__=constructor=x"]);
    expect(networkOptions?.["constructor"]).toBeUndefined();
    expect(networkOptions?.["__proto__"]?.["constructor"]).toBe("x");
  });

  test("takes no value in the next word for a flag that is on or off", () => {
    expect(settings(["--icc", "--dns", "1.1.1.1"])).toEqual({ icc: true, dns: ["1.1.1.1"] });
    expect(refusalOf(() => settings(["--icc", "false"]))).toBe('unknown option "false"; see gantryd --help');
  });
});

test.each([
  [{ bip: 7 }, 'invalid JSON: field "bip" must be a string, not a number'],
  [{ icc: "false" }, 'invalid JSON: field "icc" must be true or false, not a string'],
  [{ iptables: null }, 'invalid JSON: field "iptables" must be true or false, not null'],
  [{ mtu: "1500" }, 'invalid JSON: field "mtu" must be an integer, not a string'],
  [{ mtu: -1 }, "invalid default MTU: -1"],
  [{ ip: "x" }, "invalid IP address: x"],
  [{ "default-gateway": "1.2.3" }, "invalid IP address: 1.2.3"],
  [{ dns: "1.1.1.1" }, 'invalid JSON: field "dns" must be a list, not a string'],
  [{ dns: ["1.1.1.1", "1.2.3"] }, "invalid IP address: 1.2.3"],
  [{ dns: [" 1.1.1.1 "] }, "invalid IP address:  1.1.1.1 "],
  [{ dns: ["fe80::1%eth0"] }, "invalid IP address: fe80::1%eth0"],
  [{ "dns-search": ["exa mple"] }, "exa mple is not a valid domain"],
  [{ "dns-search": ["-bad"] }, "-bad is not a valid domain"],
  [{ "dns-search": ["example.com", ""] }, " is not a valid domain"],
  [{ "dns-search": ["10.1"] }, "10.1 is not a valid domain"],
  [{ "dns-search": ["a".repeat(255)] }, `${"a".repeat(255)} is not a valid domain`],
  [{ "dns-opts": ["a\nnameserver 1.1.1.1"] }, 'invalid DNS option: "a\\nnameserver 1.1.1.1"'],
  [{ "host-gateway-ip": "1.2.3" }, "invalid IP address: 1.2.3"],
  [{ "host-gateway-ips": ["1.1.1.1", "1.1.1.2"] }, "only one IPv4 host gateway IP address can be specified"],
  [{ "host-gateway-ips": ["::1", "::2"] }, "only one IPv6 host gateway IP address can be specified"],
  [
    { "host-gateway-ip": "1.1.1.1", "host-gateway-ips": ["::1"] },
    "host-gateway-ip and host-gateway-ips must not both be specified in the config file",
  ],
  [
    { "host-gateway-ips": [], "host-gateway-ip": "1.1.1.1" },
    "host-gateway-ip and host-gateway-ips must not both be specified in the config file",
  ],
  [{ "default-extra-hosts": ["host"] }, 'bad format for default-extra-hosts: "host"'],
  [{ "default-extra-hosts": ["a b:1.1.1.1"] }, 'bad format for default-extra-hosts: "a b:1.1.1.1"'],
  [{ "default-extra-hosts": ["a:gateway"] }, 'invalid IP address in default-extra-hosts: "gateway"'],
  [
    { "firewall-backend": "iptables" },
    'firewall-backend "iptables" is not supported: this engine makes its rules with nftables only',
  ],
  [{ "firewall-backend": "pf" }, 'invalid firewall-backend: the one allowed value is "nftables"'],
  [{ "firewall-mode": "off" }, '"off" is no firewall-mode: it is "managed" or "respect-host"'],
  [{ "bridge-accept-fwmark": "1/x" }, 'invalid bridge-accept-fwmark: "1/x" is no mark of packets'],
  [
    { "userland-proxy-path": "/usr/bin/docker-proxy" },
    "userland-proxy-path is not supported: ports are forwarded by the engine itself, there is no program",
  ],
  [
    { "default-address-pools": {} },
    'invalid JSON: field "default-address-pools" must be a list, not an object',
  ],
  [
    { "default-address-pools": [{ base: "10.0.0.0/8", size: 4 }] },
    'invalid address pool "default-address-pools[0]": its size /4 is larger than the pool itself, which is a /8',
  ],
  [
    { "default-network-opts": [] },
    'invalid JSON: field "default-network-opts" must be an object, not an array',
  ],
  [
    { "default-network-opts": { bridge: { a: 7 } } },
    'invalid JSON: field "default-network-opts["bridge"]["a"]" must be a string, not a number',
  ],
])("%j is refused", (file, message) => {
  expect(refusalOf(() => read(file))).toBe(message);
});

test.each([
  ["--icc=x", 'strconv.ParseBool: parsing "x": invalid syntax'],
  ["--dns=1.1.1.1,8.8.8.8", "invalid IP address: 1.1.1.1,8.8.8.8"],
  ["--dns-search=a,b", "a,b is not a valid domain"],
  ["--dns-opt=a b", 'invalid DNS option: "a b"'],
  ["--ip=x", "invalid IP address: x"],
  ["--mtu=x", 'strconv.Atoi: parsing "x": invalid syntax'],
  ["--mtu=-1", "invalid default MTU: -1"],
  ["--host-gateway-ip=x", "invalid IP address: x"],
  ["--default-extra-host=x", 'bad format for default-extra-hosts: "x"'],
  [
    "--firewall-backend=iptables",
    'firewall-backend "iptables" is not supported: this engine makes its rules with nftables only',
  ],
  ["--bridge-accept-fwmark=x", 'invalid bridge-accept-fwmark: "x" is no mark of packets'],
  ["--default-network-opt=x", 'invalid value "x" for map option, should be root-key=key=value'],
  ["--default-network-opt=bridge=x", 'invalid value "bridge=x" for map option, should be root-key=key=value'],
  ["--default-network-opt==a=b", 'invalid value "=a=b" for map option, should be root-key=key=value'],
  ["--default-address-pool=x", "invalid field 'x' must be a key=value pair"],
  ["--default-address-pool=foo=1", "unexpected key 'foo' in 'foo=1'"],
  [
    "--default-address-pool=base=10.0.0.0/8,size=x",
    'invalid size value: "x" (must be integer): strconv.Atoi: parsing "x": invalid syntax',
  ],
  [
    "--default-address-pool=base=10.0.0.0/8",
    'invalid address pool "default-address-pools[0]": its size /0 is larger than the pool itself, which is a /8',
  ],
])("%s is refused", (word, reason) => {
  const at = word.indexOf("=");
  expect(refusalOf(() => settings([word]))).toBe(
    `invalid argument "${word.slice(at + 1)}" for "${word.slice(0, at)}" flag: ${reason}`,
  );
});

test.each([
  [
    ["--host-gateway-ip=::1", "--host-gateway-ip=::2"],
    "only one IPv6 host gateway IP address can be specified",
  ],
  [["--userland-proxy-path=/p"], "userland-proxy-path is not supported: ports are forwarded"],
  [["--icc="], 'option "--icc=" needs a value'],
  [["--dns"], 'option "--dns" needs a value'],
])("%j is refused", (words, message) => {
  expect(refusalOf(() => settings(words))).toContain(message);
});

describe("what flag and file both say", () => {
  const both = "the following directives are specified both as a flag and in the configuration file: ";

  test("is refused with both values", () => {
    const words = ["--icc=false", "--dns", "1.1.1.1", "--mtu=6", "--dns-opt=b", "--dns-opt=c"];
    const file = { icc: true, dns: ["1.1.1.1"], mtu: 5, "dns-opts": ["a"] };
    expect(refusalOf(() => settings(words, file))).toBe(
      `${both}icc: (from flag: false, from file: true), dns: (from flag: [1.1.1.1], from file: [1.1.1.1]), mtu: (from flag: 6, from file: 5), dns-opts: (from flag: [b c], from file: [a])`,
    );
  });

  test("is refused by the file's name, whatever it is", () => {
    for (const [key, value] of Object.entries(FILE))
      expect(refusalOf(() => settings(WORDS, { [key]: value }))).toStartWith(`${both}${key}`);
    expect(refusalOf(() => settings(["-b", "br0"], { bridge: "br1" }))).toBe(
      `${both}bridge: (from flag: br0, from file: br1)`,
    );
  });
});

describe("the settings of", () => {
  test("the default bridge are its own", () => {
    const { bip, fixedCidr } = read(FILE);
    expect(defaultBridgeConfig({})).toEqual(DEFAULT_BRIDGE_CONFIG);
    expect(Object.keys(defaultBridgeConfig(read(FILE))).sort()).toEqual(
      Object.keys(DEFAULT_BRIDGE_CONFIG).sort(),
    );
    expect(defaultBridgeConfig(read(FILE))).toMatchObject({
      bip,
      fixedCidr,
      icc: false,
      mtu: 1400,
      bridge: "",
    });
    expect(defaultBridgeConfig(read({ bridge: "br0" }))).toEqual({ ...DEFAULT_BRIDGE_CONFIG, bridge: "br0" });
  });

  test("a bridge by name have no address beside its own", () => {
    expect(refusalOf(() => defaultBridgeConfig(read({ bridge: "br0", bip: "10.1.0.1/16" })))).toBe(
      "you specified -b & --bip, mutually exclusive options. Please specify only one",
    );
  });

  test("the firewall are its own", () => {
    expect(firewallSettings({})).toEqual(DEFAULT_FIREWALL_SETTINGS);
    expect(firewallSettings(read({ ...FILE, iptables: false }))).toEqual({
      iptables: false,
      ip6tables: false,
      mode: "respect-host",
      allowDirectRouting: true,
      acceptMark: { value: 0x10, mask: 0xf0 },
    });
  });
});
