/** The campaign is worth what its checks are: each of them finds the harm that is done here on purpose. */
import { expect, test } from "bun:test";
import type { ContainerFacts, EndpointDocument, Interior, LinkFacts, NetworkFacts } from "./network-facts.ts";
import { violationsIn } from "./network-violations.ts";
import { endpointRecord, networkRecord } from "../../src/core/network/testing/records.ts";

const NETWORK = networkRecord("bridge");
const ENDPOINT = { ...endpointRecord(2), linkLocalIps: [] };
const BRIDGE: LinkFacts = {
  name: "br-abababababab",
  alias: `gantry:${NETWORK.id}`,
  mac: "02:47:00:00:00:01",
  isUp: true,
  master: "",
  addresses: ["10.9.0.1/24", "fd00:9::1/64"],
};
const PORT: LinkFacts = {
  name: "gv222222222222",
  alias: `gantry:${ENDPOINT.container}:${ENDPOINT.id}`,
  mac: "02:47:00:00:00:02",
  isUp: true,
  master: BRIDGE.name,
  addresses: [],
};
const INSIDE: LinkFacts = {
  name: "eth0",
  alias: "",
  mac: ENDPOINT.macAddress,
  isUp: true,
  master: "",
  addresses: ["10.9.0.2/24", "fd00:9::2/64"],
};
const INTERIOR: Interior = {
  links: [INSIDE],
  defaults: ["10.9.0.1 eth0", "fd00:9::1 eth0"],
  hosts: "127.0.0.1\tlocalhost\n10.9.0.2\tweb\nfd00:9::2\tweb\n",
  namespace: "net:[2]",
};
const DOCUMENT: EndpointDocument = {
  EndpointID: ENDPOINT.id,
  NetworkID: NETWORK.id,
  MacAddress: ENDPOINT.macAddress,
  IPAddress: "10.9.0.2",
  IPPrefixLen: 24,
  GlobalIPv6Address: "fd00:9::2",
  GlobalIPv6PrefixLen: 64,
};
const CONTAINER: ContainerFacts = {
  id: ENDPOINT.container,
  name: "c",
  status: "running",
  pid: 2,
  hostname: "web",
  networkMode: "net",
  networks: { net: DOCUMENT },
  ports: [],
  interior: INTERIOR,
};
const FACTS: NetworkFacts = {
  networks: [NETWORK],
  attachments: [
    {
      container: CONTAINER.id,
      network: "net",
      networkId: NETWORK.id,
      config: {
        IPAMConfig: null,
        Links: null,
        Aliases: null,
        MacAddress: "",
        DriverOpts: null,
        GwPriority: 0,
      },
    },
  ],
  endpoints: [ENDPOINT],
  containers: [CONTAINER],
  members: { [NETWORK.id]: [CONTAINER.id] },
  hostLinks: [BRIDGE, PORT],
  namespaces: ["net:[2]"],
  forwarders: [CONTAINER.id],
  wrongRules: [],
};

const withInterior = (change: Partial<Interior>): Partial<NetworkFacts> => ({
  containers: [{ ...CONTAINER, interior: { ...INTERIOR, ...change } }],
});
const withInside = (change: Partial<LinkFacts>): Partial<NetworkFacts> =>
  withInterior({ links: [{ ...INSIDE, ...change }] });
const other = (change: Partial<LinkFacts>): LinkFacts => ({
  name: "other",
  alias: "",
  mac: "02:47:00:00:00:09",
  isUp: true,
  master: "",
  addresses: [],
  ...change,
});

test("nothing is wrong when nobody did harm", () => {
  expect(violationsIn(FACTS)).toEqual([]);
  // Links of others are nobody's concern.
  expect(violationsIn({ ...FACTS, hostLinks: [...FACTS.hostLinks, other({ name: "eth0" })] })).toEqual([]);
});

const HARM: readonly (readonly [what: string, change: Partial<NetworkFacts>, found: string])[] = [
  [
    "an attachment of nobody",
    { containers: [], endpoints: [] },
    "an attachment to net is of a container that is gone",
  ],
  ["an endpoint of nobody", { containers: [] }, "is of a container that does not run"],
  ["an endpoint nowhere", { networks: [] }, "is of a network that is gone"],
  ["a network that is not listed", { members: {} }, "network net is stored and not listed"],
  ["a member too many", { members: { [NETWORK.id]: ["x", CONTAINER.id] } }, "lists other members"],
  [
    "a port of nobody",
    { hostLinks: [BRIDGE, PORT, other({ name: "gv333333333333" })] },
    "link gv333333333333",
  ],
  [
    "an unfinished link",
    { hostLinks: [BRIDGE, PORT, other({ name: "gt0123456789ab" })] },
    "link gt0123456789ab",
  ],
  ["a marked link", { hostLinks: [BRIDGE, PORT, other({ alias: "gantry:ff" })] }, 'link other ("gantry:ff")'],
  ["another's mark", { hostLinks: [{ ...BRIDGE, alias: "gantry:ff" }, PORT] }, "link br-abababababab"],
  ["a bridge that is gone", { hostLinks: [PORT] }, "link br-abababababab of the host is missing"],
  [
    "a bridge without its address",
    { hostLinks: [{ ...BRIDGE, addresses: ["10.9.0.1/24"] }, PORT] },
    "lacks fd00:9::1/64",
  ],
  ["a port that is gone", { hostLinks: [BRIDGE] }, "link gv222222222222 of the host is missing"],
  [
    "a port that is down",
    { hostLinks: [BRIDGE, { ...PORT, isUp: false }] },
    "link gv222222222222 of the host is down",
  ],
  ["a port of no bridge", { hostLinks: [BRIDGE, { ...PORT, master: "" }] }, 'is a port of "", not of'],
  [
    "a shaper of nobody",
    { hostLinks: [BRIDGE, PORT, other({ name: "gi222222222222", alias: PORT.alias })] },
    "link gi222222222222",
  ],
  [
    "a shaper that is gone",
    { endpoints: [{ ...ENDPOINT, rates: { inBits: 0, outBits: 8 } }] },
    "link gi222222222222 of the host is missing",
  ],
  ["a link that is gone", withInterior({ links: [] }), "c: no link for net"],
  [
    "a link too many",
    withInterior({ links: [INSIDE, other({})] }),
    "c: link other (02:47:00:00:00:09) is of no network",
  ],
  ["a link that is down", withInside({ isUp: false }), "c: the link for net is down"],
  [
    "an address that is gone",
    withInside({ addresses: ["10.9.0.2/24"] }),
    "instead of 10.9.0.2/24 fd00:9::2/64",
  ],
  ["no route", withInterior({ defaults: [] }), 'c: its default routes are ""'],
  [
    "a route too many",
    withInterior({ defaults: [...INTERIOR.defaults, "10.9.0.1 eth1"] }),
    "its default routes",
  ],
  ["an empty hosts file", withInterior({ hosts: "" }), "c: its hosts file has no localhost"],
  [
    "hosts of before",
    withInterior({ hosts: `${INTERIOR.hosts}10.8.0.2\tweb\n` }),
    'c: its hosts file gives it "',
  ],
  [
    "an endpoint of one that has ended",
    { containers: [{ ...CONTAINER, status: "exited", interior: undefined }] },
    "c does not run and has an endpoint in net",
  ],
  [
    "a network without an endpoint",
    { containers: [{ ...CONTAINER, networks: { net: DOCUMENT, other: { ...DOCUMENT, EndpointID: "" } } }] },
    "c runs and has no endpoint in other",
  ],
  [
    "an address that two have",
    { hostLinks: [BRIDGE, PORT, other({ addresses: ["10.9.0.2/8"] })] },
    "10.9.0.2 is had by the host's other and c's eth0",
  ],
  ["a namespace of nobody", { namespaces: ["net:[2]", "net:[3]"] }, "network namespace net:[3]"],
  ["a forwarder of nobody", { forwarders: ["ff"] }, "a forwarder is of a container that does not run: ff"],
  ["a forwarder too many", { forwarders: [CONTAINER.id, CONTAINER.id] }, "c has two forwarders"],
  ["a rule of others", { wrongRules: ['chain "ours"'] }, 'the firewall\'s chain "ours"'],
];

test.each(HARM)("%s is found", (_, change, found) => {
  const violations = violationsIn({ ...FACTS, ...change });
  expect(violations.filter((line) => line.includes(found))).not.toEqual([]);
});
