import { describe, expect, test } from "bun:test";
import type { AttachmentRecord, EndpointRecord } from "../../core/network/endpoint-record.ts";
import type { NetworkRecord } from "../../core/network/network-record.ts";
import type { Publication } from "../../core/network/publications.ts";
import { ANY_SUBNET } from "../../core/network/subnet-config.ts";
import { exampleNetwork } from "../../core/network/testing/example-networks.ts";
import { decodeFilters } from "../../specs/engine/filters.decode.ts";
import {
  type Membership,
  networkSettings,
  networkSummaries,
  NO_SANDBOX,
  portSummaries,
} from "./endpoint-documents.ts";
import { filterNetworks } from "./filter-networks.ts";
import { networkDocument } from "./network-document.ts";

const CONTAINER = "777fc1997953".padEnd(64, "0");

function attachment(network: string, more: Partial<AttachmentRecord["config"]> = {}): AttachmentRecord {
  const config = {
    IPAMConfig: null,
    Links: null,
    Aliases: null,
    MacAddress: "",
    DriverOpts: null,
    GwPriority: 0,
  };
  return { container: CONTAINER, network, networkId: "", config: { ...config, ...more } };
}

function endpoint(more: Partial<EndpointRecord> = {}): EndpointRecord {
  return {
    id: "47acb5865684",
    network: "aea85051240c",
    container: CONTAINER,
    interfaceName: "eth0",
    macAddress: "02:42:ac:17:00:02",
    ipv4: "172.23.0.2/16",
    ipv6: "fd00:77::2/64",
    linkLocalIps: [],
    ipv4Gateway: "172.23.0.1",
    ipv6Gateway: "fd00:77::1",
    names: ["x1", "777fc1997953"],
    exposed: [],
    ports: [],
    ...more,
  };
}

function publication(text: string): Publication {
  const [, hostIp = "", hostPort, containerPort, protocol] = /^(.*):(\d+)->(\d+)\/(\w+)$/.exec(text) ?? [];
  return {
    protocol: protocol === "udp" ? "udp" : "tcp",
    hostIp,
    hostPort: Number(hostPort),
    containerIp: "172.23.0.2",
    containerPort: Number(containerPort),
  };
}

describe("networkDocument()", () => {
  test("shows the default network as Docker does, key for key", () => {
    const bridge = exampleNetwork({
      name: "bridge",
      id: "98d77f6341e0",
      options: { "com.docker.network.driver.mtu": "1500", "com.docker.network.bridge.name": "docker0" },
      ipam: { options: null, ipv4: [], ipv6: [] },
      subnets: { ipv4: [{ ...ANY_SUBNET, subnet: "172.17.0.0/16", gateway: "172.17.0.1" }], ipv6: [] },
    });
    expect(JSON.stringify(networkDocument(bridge, []))).toBe(
      '{"Name":"bridge","Id":"98d77f6341e0","Created":"2026-01-02T03:04:05.678901234Z","Scope":"local","Driver":"bridge","EnableIPv4":true,"EnableIPv6":false,"IPAM":{"Driver":"default","Options":null,"Config":[{"Subnet":"172.17.0.0/16","Gateway":"172.17.0.1"}]},"Internal":false,"Attachable":false,"Ingress":false,"ConfigFrom":{"Network":""},"ConfigOnly":false,"Containers":{},"Options":{"com.docker.network.bridge.name":"docker0","com.docker.network.driver.mtu":"1500"},"Labels":{}}',
    );
  });

  test("shows what the user wrote of subnets, and what was chosen behind it", () => {
    const config = (network: Partial<NetworkRecord>): unknown =>
      networkDocument(exampleNetwork(network), []).IPAM.Config;
    const written = {
      subnet: "10.66.0.0/24",
      range: "10.66.0.128/25",
      gateway: "10.66.0.129",
      auxiliary: { b: "10.66.0.131", a: "10.66.0.130" },
    };
    expect(
      JSON.stringify(
        config({ ipam: { options: {}, ipv4: [written], ipv6: [] }, subnets: { ipv4: [written], ipv6: [] } }),
      ),
    ).toBe(
      '[{"Subnet":"10.66.0.0/24","IPRange":"10.66.0.128/25","Gateway":"10.66.0.129","AuxiliaryAddresses":{"a":"10.66.0.130","b":"10.66.0.131"}}]',
    );
    const six = { ...ANY_SUBNET, subnet: "fd00:77::/64" };
    const chosen = { ...ANY_SUBNET, subnet: "172.23.0.0/16", gateway: "172.23.0.1" };
    const subnets = { ipv4: [chosen], ipv6: [{ ...six, gateway: "fd00:77::1" }] };
    expect(config({ ipam: { options: {}, ipv4: [], ipv6: [six] }, subnets })).toEqual([
      { Subnet: "fd00:77::/64" },
      { Subnet: "172.23.0.0/16", Gateway: "172.23.0.1" },
    ]);
    expect(
      config({ ipam: { options: null, ipv4: [], ipv6: [] }, subnets: { ipv4: [], ipv6: [] } }),
    ).toBeNull();
  });

  test("shows who is in it", () => {
    const members = [
      { name: "nc2", endpoint: endpoint({ ipv6: "" }) },
      { name: "nc1", endpoint: endpoint({ id: "e1", container: "111" }) },
    ];
    expect(JSON.stringify(networkDocument(exampleNetwork(), members).Containers)).toBe(
      `{"111":{"Name":"nc1","EndpointID":"e1","MacAddress":"02:42:ac:17:00:02","IPv4Address":"172.23.0.2/16","IPv6Address":"fd00:77::2/64"},"${CONTAINER}":{"Name":"nc2","EndpointID":"47acb5865684","MacAddress":"02:42:ac:17:00:02","IPv4Address":"172.23.0.2/16","IPv6Address":""}}`,
    );
  });
});

describe("networkSettings()", () => {
  test("shows a running container in a network of the user's as Docker does, key for key", () => {
    const config = {
      IPAMConfig: { IPv4Address: "10.66.0.140", IPv6Address: "", LinkLocalIPs: null },
      Aliases: ["al"],
    };
    const ports = ["0.0.0.0:8123->80/tcp", ":::8123->80/tcp"].map(publication);
    const member: Membership = {
      attachment: attachment("nm6", config),
      endpoint: endpoint({ exposed: ["7000/tcp", "80/tcp"], ports }),
    };
    expect(JSON.stringify(networkSettings([member], { id: "32ff", key: "/proc/7/ns/net" }))).toBe(
      '{"Bridge":"","SandboxID":"32ff","SandboxKey":"/proc/7/ns/net","Ports":{"7000/tcp":null,"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8123"},{"HostIp":"::","HostPort":"8123"}]},"HairpinMode":false,"LinkLocalIPv6Address":"","LinkLocalIPv6PrefixLen":0,"SecondaryIPAddresses":null,"SecondaryIPv6Addresses":null,"EndpointID":"","Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","MacAddress":"","Networks":{"nm6":{"IPAMConfig":{"IPv4Address":"10.66.0.140"},"Links":null,"Aliases":["al"],"MacAddress":"02:42:ac:17:00:02","DriverOpts":null,"GwPriority":0,"NetworkID":"aea85051240c","EndpointID":"47acb5865684","Gateway":"172.23.0.1","IPAddress":"172.23.0.2","IPPrefixLen":16,"IPv6Gateway":"fd00:77::1","GlobalIPv6Address":"fd00:77::2","GlobalIPv6PrefixLen":64,"DNSNames":["x1","777fc1997953"]}}}',
    );
  });

  test("shows the default network's addresses outside, too", () => {
    const member = { attachment: attachment("bridge"), endpoint: endpoint({ names: [] }) };
    const settings = networkSettings([member], NO_SANDBOX);
    expect(settings).toMatchObject({
      EndpointID: "47acb5865684",
      Gateway: "172.23.0.1",
      IPAddress: "172.23.0.2",
      IPPrefixLen: 16,
      IPv6Gateway: "fd00:77::1",
      GlobalIPv6Address: "fd00:77::2",
      GlobalIPv6PrefixLen: 64,
      MacAddress: "02:42:ac:17:00:02",
    });
    expect(settings.Networks["bridge"]?.DNSNames).toBeNull();
  });

  test("shows what a container asks that does not run", () => {
    const config = {
      MacAddress: "02:42:aa:bb:cc:dd",
      GwPriority: 3,
      DriverOpts: { b: "1", a: "2" },
      Links: ["x:y"],
    };
    const none = { attachment: attachment("none"), endpoint: undefined };
    const asked = { attachment: { ...attachment("n", config), networkId: "aea8" }, endpoint: undefined };
    const { Networks, ...outside } = networkSettings([none, asked], NO_SANDBOX);
    expect(outside).toMatchObject({ SandboxID: "", SandboxKey: "", Ports: {}, IPAddress: "" });
    expect(JSON.stringify(Networks)).toBe(
      '{"n":{"IPAMConfig":null,"Links":["x:y"],"Aliases":null,"MacAddress":"02:42:aa:bb:cc:dd","DriverOpts":{"a":"2","b":"1"},"GwPriority":3,"NetworkID":"aea8","EndpointID":"","Gateway":"","IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":null},"none":{"IPAMConfig":null,"Links":null,"Aliases":null,"MacAddress":"","DriverOpts":null,"GwPriority":0,"NetworkID":"","EndpointID":"","Gateway":"","IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":null}}',
    );
  });

  test("shows an empty wish for addresses as one", () => {
    const config = { IPAMConfig: { IPv4Address: "", IPv6Address: "", LinkLocalIPs: [] }, Aliases: [] };
    const local = { IPAMConfig: { IPv4Address: "", IPv6Address: "", LinkLocalIPs: ["169.254.1.1"] } };
    const other = { attachment: attachment("o", local), endpoint: endpoint({ ipv6: "" }) };
    expect(networkSettings([other], NO_SANDBOX).Networks["o"]).toMatchObject({
      IPAMConfig: { LinkLocalIPs: ["169.254.1.1"] },
      GlobalIPv6Address: "",
      GlobalIPv6PrefixLen: 0,
    });
    const { Networks } = networkSettings(
      [{ attachment: attachment("n", config), endpoint: undefined }],
      NO_SANDBOX,
    );
    expect(Networks["n"]).toMatchObject({ IPAMConfig: {}, Aliases: [] });
  });

  test("has less of each in lists", () => {
    const config = {
      IPAMConfig: { IPv4Address: "10.0.0.9", IPv6Address: "", LinkLocalIPs: ["169.254.1.1"] },
      Aliases: ["al"],
      Links: ["x"],
      DriverOpts: { a: "b" },
      GwPriority: 2,
    };
    const summaries = networkSummaries([{ attachment: attachment("n", config), endpoint: endpoint() }]);
    expect(summaries["n"]).toMatchObject({
      IPAMConfig: { IPv4Address: "10.0.0.9" },
      Links: null,
      Aliases: null,
      DriverOpts: null,
      DNSNames: null,
      GwPriority: 2,
      IPAddress: "172.23.0.2",
    });
    expect(summaries["n"]?.IPAMConfig).not.toHaveProperty("LinkLocalIPs");
    const plain = networkSummaries([{ attachment: attachment("n"), endpoint: undefined }]);
    expect(plain["n"]?.IPAMConfig).toBeNull();
  });
});

test("portSummaries() lists ports with and without a host's", () => {
  const ports = ["0.0.0.0:53->53/udp", ":::53->53/udp", "127.0.0.1:9000->90/tcp", "0.0.0.0:0->91/tcp"].map(
    publication,
  );
  expect(JSON.stringify(portSummaries([endpoint({ exposed: ["53/udp", "7000/tcp"], ports })]))).toBe(
    '[{"IP":"0.0.0.0","PrivatePort":53,"PublicPort":53,"Type":"udp"},{"IP":"::","PrivatePort":53,"PublicPort":53,"Type":"udp"},{"PrivatePort":7000,"Type":"tcp"},{"IP":"127.0.0.1","PrivatePort":90,"PublicPort":9000,"Type":"tcp"},{"IP":"0.0.0.0","PrivatePort":91,"Type":"tcp"}]',
  );
});

describe("filterNetworks()", () => {
  const networks = [
    exampleNetwork({ id: "1aa", name: "web-b", labels: { env: "prod", tier: "1" } }),
    exampleNetwork({ id: "2bb", name: "web-a", driver: "macvlan", labels: { env: "test" } }),
    exampleNetwork({ id: "3cc", name: "bridge" }),
    exampleNetwork({ id: "4dd", name: "none", driver: "null" }),
  ];
  const KEYS = ["dangling", "driver", "id", "label", "name", "scope", "type"];
  const names = (filters: object): string =>
    filterNetworks(networks, decodeFilters(JSON.stringify(filters), KEYS), ({ name }) => name === "web-b")
      .map(({ name }) => name)
      .join(" ");

  for (const [filters, expected] of [
    [{}, "bridge none web-a web-b"],
    [{ driver: ["macvlan", "null"] }, "none web-a"],
    [{ id: ["1a", "b"] }, "web-a web-b"],
    [{ name: ["web"] }, "web-a web-b"],
    [{ name: ["^web-a$"] }, "web-a"],
    [{ label: ["env"] }, "web-a web-b"],
    [{ label: ["env=prod", "tier=1"] }, "web-b"],
    [{ label: ["env=prod", "env=test"] }, ""],
    [{ scope: ["local"] }, "bridge none web-a web-b"],
    [{ scope: ["swarm"] }, ""],
    [{ type: ["builtin"] }, "bridge none"],
    [{ type: ["custom"] }, "web-a web-b"],
    [{ type: ["custom", "builtin"] }, "bridge none web-a web-b"],
    [{ dangling: ["true"] }, "web-a"],
    [{ dangling: ["0"] }, "bridge none web-b"],
    [{ dangling: { false: true }, driver: ["bridge"] }, "bridge web-b"],
  ] as const)
    test(JSON.stringify(filters), () => {
      expect(names(filters)).toBe(expected);
    });

  for (const [filters, message] of [
    [{ type: ["x"] }, "invalid filter: 'type'='x'"],
    [
      { dangling: ["x"] },
      `invalid value for filter 'dangling', must be "true" (or "1"), or "false" (or "0")`,
    ],
    [{ dangling: ["1", "0"] }, 'got more than one value for filter key "dangling"'],
  ] as const)
    test(`refuses ${JSON.stringify(filters)}`, () => {
      expect(() => names(filters)).toThrow(message);
    });
});
