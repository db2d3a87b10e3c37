import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCategory } from "../../base/errors.ts";
import { Logger, NO_LOG } from "../../base/log.ts";
import type { Metadata } from "../metadata/metadata.ts";
import { openMetadata } from "../metadata/sqlite-metadata.ts";
import type { AttachmentRecord, EndpointRecord } from "./endpoint-record.ts";
import type { NetworkRecord } from "./network-record.ts";
import { Networks } from "./networks.ts";
import { readEndpoint, readNetwork, writeEndpoint, writeNetwork } from "./record-json.ts";
import { exampleNetwork } from "./testing/example-networks.ts";

let directory: string;
let metadata: Metadata;

function open(): Metadata {
  return openMetadata({ path: join(directory, "gantry.db"), onDamaged: () => {} });
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "networks-"));
  metadata = open();
});

afterEach(() => {
  metadata.close();
  rmSync(directory, { recursive: true, force: true });
});

/** What the next daemon finds. */
function reopened(log = NO_LOG): Networks {
  metadata.close();
  metadata = open();
  return new Networks(metadata, log);
}

function network(id: string, name: string, more: Partial<NetworkRecord> = {}): NetworkRecord {
  return exampleNetwork({ id: id.padEnd(64, "0"), name, ...more });
}

function attachment(container: string, networkName: string, alias: string): AttachmentRecord {
  const config = {
    IPAMConfig: { IPv4Address: "10.0.0.9", IPv6Address: "", LinkLocalIPs: null },
    Links: null,
    Aliases: [alias],
    MacAddress: "",
    DriverOpts: { k: "v" },
    GwPriority: 3,
  };
  return { container, network: networkName, networkId: "", config };
}

function endpoint(
  id: string,
  networkId: string,
  container: string,
  more: Partial<EndpointRecord> = {},
): EndpointRecord {
  return {
    id,
    network: networkId,
    container,
    interfaceName: "eth0",
    macAddress: "02:42:ac:11:00:02",
    ipv4: "172.17.0.2/16",
    ipv6: "fd00::2/64",
    linkLocalIps: ["169.254.1.1"],
    ipv4Gateway: "172.17.0.1",
    ipv6Gateway: "",
    names: ["web"],
    exposed: ["80/tcp"],
    ports: [
      { protocol: "tcp", hostIp: "0.0.0.0", hostPort: 8080, containerIp: "172.17.0.2", containerPort: 80 },
    ],
    ...more,
  };
}

describe("Networks", () => {
  test("keeps a network from one daemon to the next, whatever it is", () => {
    const full = network("a1", "full", {
      driver: "macvlan",
      hasIpv4: false,
      hasIpv6: true,
      isInternal: true,
      isAttachable: true,
      isConfigOnly: true,
      configFrom: "other",
      options: { parent: "eth0", ["__proto__"]: "x" },
      labels: { a: "b" },
      ipam: {
        options: null,
        ipv4: [
          { subnet: "10.0.0.0/24", range: "10.0.0.0/25", gateway: "10.0.0.1", auxiliary: { x: "10.0.0.2" } },
        ],
        ipv6: [],
      },
    });
    new Networks(metadata, NO_LOG).add(full);
    const found = reopened().find("full");
    expect(JSON.parse(JSON.stringify(found))).toEqual(JSON.parse(JSON.stringify(full)));
    expect(readNetwork(found.id, found.name, writeNetwork(found))).toEqual(found);
  });

  test("finds by id, by name, and by what an id begins with", () => {
    const networks = new Networks(metadata, NO_LOG);
    for (const record of [network("abc1", "one"), network("abc2", "two"), network("d", "abc")])
      networks.add(record);
    expect(networks.find("one").name).toBe("one");
    expect(networks.find("abc1".padEnd(64, "0")).name).toBe("one");
    expect(networks.find("abc2").name).toBe("two");
    expect(networks.find("abc").id).toStartWith("d0");
    expect(() => networks.find("ab")).toThrow("network ab is ambiguous (2 matches found based on ID prefix)");
    for (const reference of ["nope", "", "ABC1"])
      expect(() => networks.find(reference)).toThrow(`network ${reference} not found`);
  });

  test("has each name once", () => {
    const networks = new Networks(metadata, NO_LOG);
    networks.add(network("a", "one"));
    let caught: unknown;
    try {
      networks.add(network("b", "one"));
    } catch (error) {
      caught = error;
    }
    expect(isCategory(caught, "conflict")).toBe(true);
    expect(String(caught)).toContain("network with name one already exists");
    networks.remove(network("a", "one").id);
    networks.add(network("b", "one"));
    expect(
      reopened()
        .all()
        .map(({ id }) => id[0]),
    ).toEqual(["b"]);
  });

  test("replaces one under those who are in it", () => {
    const networks = new Networks(metadata, NO_LOG);
    networks.add(network("a", "one"));
    const now = network("a", "one", { isInternal: true });
    networks.replace(now);
    expect(networks.find("one").isInternal).toBe(true);
    expect(reopened().find(now.id).isInternal).toBe(true);
  });

  test("keeps what containers ask, in the order of attachment", () => {
    const networks = new Networks(metadata, NO_LOG);
    networks.attach(attachment("c1", "z", "first"), "durable");
    networks.attach(attachment("c2", "z", "other"), "durable");
    networks.attach(attachment("c1", "a", "second"), "durable");
    networks.attach({ ...attachment("c1", "z", "changed"), networkId: "n" }, "durable");
    const expected = [
      { ...attachment("c1", "z", "changed"), networkId: "n" },
      attachment("c1", "a", "second"),
    ];
    expect(networks.attachments("c1")).toEqual(expected);
    const after = reopened();
    expect(JSON.stringify(after.attachments("c1"))).toBe(JSON.stringify(expected));
    expect([...after.attachedContainers()].sort()).toEqual(["c1", "c2"]);
    after.detach("c1", "z", "durable");
    after.detach("c1", "nope", "durable");
    expect(after.attachments("c1").map((each) => each.network)).toEqual(["a"]);
    after.detachAll("c1", "process");
    expect(reopened().attachments("c1")).toEqual([]);
  });

  test("keeps who is in which network", () => {
    const networks = new Networks(metadata, NO_LOG);
    networks.putEndpoint(endpoint("e1", "n1", "c1", { ports: [] }));
    networks.putEndpoint(endpoint("e2", "n2", "c1"));
    networks.putEndpoint(endpoint("e3", "n1", "c2"));
    networks.putEndpoint(endpoint("e1", "n1", "c1"));
    const after = reopened();
    const ids = (list: readonly EndpointRecord[]): string[] => list.map(({ id }) => id).sort();
    expect(after.endpoint("e1")).toEqual(endpoint("e1", "n1", "c1"));
    expect(ids(after.endpointsOf("n1"))).toEqual(["e1", "e3"]);
    expect(ids(after.endpointsIn("c1"))).toEqual(["e1", "e2"]);
    after.removeEndpoint("e1");
    after.removeEndpoint("e1");
    expect(ids(after.endpointsOf("n1"))).toEqual(["e3"]);
    expect(ids(after.endpointsIn("c1"))).toEqual(["e2"]);
    expect(ids(reopened().endpoints())).toEqual(["e2", "e3"]);
  });

  test("keeps whose networks are being changed, and what is changed together", () => {
    const networks = new Networks(metadata, NO_LOG);
    networks.beginChange("c1");
    networks.beginChange("c1");
    networks.beginChange("c2");
    networks.endChange("c2");
    networks.endChange("c3");
    expect([networks.isChanging("c1"), networks.isChanging("c2")]).toEqual([true, false]);
    expect(reopened().changing()).toEqual(["c1"]);
    const again = new Networks(metadata, NO_LOG);
    again.endChange("c1");
    const [one, two] = ["e1", "e2"].map((id) => endpoint(id, "n1", "c1"));
    if (one === undefined || two === undefined) throw new Error("no endpoints");
    again.putEndpoint(one);
    again.together(() => {
      again.removeEndpoint(one.id);
      again.putEndpoint(two);
    });
    const last = reopened();
    expect(last.changing()).toEqual([]);
    expect(last.endpoints().map(({ id }) => id)).toEqual([two.id]);
  });

  test("takes the two networks of an earlier store over, with their ids", () => {
    metadata.migrate("networks", [
      "CREATE TABLE networks (name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, created TEXT NOT NULL) WITHOUT ROWID;",
    ]);
    const insert = metadata.prepare("INSERT INTO networks (name, id, created) VALUES (?, ?, ?)");
    insert.run("none", "1".repeat(64), "2026-01-02T03:04:05Z");
    insert.run("host", "2".repeat(64), "2026-01-02T03:04:06Z");
    const networks = reopened();
    expect(networks.named("none")).toMatchObject({
      id: "1".repeat(64),
      driver: "null",
      created: "2026-01-02T03:04:05Z",
    });
    expect(networks.named("host")).toMatchObject({
      driver: "host",
      hasIpv4: true,
      options: {},
      subnets: { ipv4: [] },
    });
  });

  test("names a row that it cannot read and goes on with the others", () => {
    const networks = new Networks(metadata, NO_LOG);
    networks.add(network("a", "fine"));
    networks.putEndpoint(endpoint("e1", "n1", "c1"));
    const rows = metadata.prepare("INSERT INTO network (id, name, document) VALUES (?, ?, ?)");
    rows.run("bad1", "bad1", "{");
    rows.run("bad2", "bad2", '{"driver":"carrier pigeon"}');
    rows.run("bad3", "bad3", '{"driver":"bridge","subnets":{"ipv4":[{"subnet":"10.0.0.0/99"}]}}');
    metadata.prepare("UPDATE network_endpoint SET document = '[]'").run();
    const lines: string[] = [];
    const after = reopened(new Logger((line) => lines.push(line), "error"));
    expect(after.all().map(({ name }) => name)).toEqual(["fine"]);
    expect(after.endpoints()).toEqual([]);
    expect(lines.map((line) => /msg="([^"]*)" id=(\w+)/.exec(line)?.slice(1).join(" "))).toEqual([
      "cannot read a stored network bad1",
      "cannot read a stored network bad2",
      "cannot read a stored network bad3",
      "cannot read a stored endpoint e1",
    ]);
  });
});

describe("stored documents", () => {
  test("with texts that are no addresses are refused", () => {
    const withSubnet = (more: object): unknown => {
      const subnet = { subnet: "10.0.0.0/24", range: "", gateway: "", auxiliary: {}, ...more };
      return readNetwork("a", "n", JSON.stringify({ driver: "bridge", ipam: { ipv4: [subnet] } }));
    };
    expect(
      withSubnet({ gateway: "10.0.0.1", auxiliary: { a: "10.0.0.2" }, range: "10.0.0.0/25" }),
    ).toBeDefined();
    expect(withSubnet({})).toBeDefined();
    expect(() => withSubnet({ gateway: "x" })).toThrow('names no address: "x"');
    expect(() => withSubnet({ auxiliary: { a: "10.0.0.300" } })).toThrow('names no address: "10.0.0.300"');
    expect(() => withSubnet({ range: "x" })).toThrow("is no subnet");
    const read = (ipv4: string): string => readEndpoint("e", "n", "c", JSON.stringify({ ipv4 })).ipv4;
    expect([read(""), read("10.0.0.2/24")]).toEqual(["", "10.0.0.2/24"]);
    for (const text of ["10.0.0.2", "x"])
      expect(() => read(text)).toThrow('stored field "ipv4" is no address');
  });

  const mutate = (document: string, read: (text: string) => unknown): number => {
    const fields: Record<string, unknown> = JSON.parse(document);
    let refused = 0;
    for (const key of Object.keys(fields))
      for (const value of [undefined, null, "", "\0", 7, true, [], {}, [null], [{}], { "": null }])
        try {
          read(JSON.stringify({ ...fields, [key]: value }));
        } catch (error) {
          refused++;
          expect(String(error)).toStartWith("GantryError");
        }
    return refused;
  };

  test("of networks and endpoints with a field of any kind are read or refused, and nothing else", () => {
    expect(mutate(writeNetwork(network("a", "n")), (text) => readNetwork("a", "n", text))).toBeGreaterThan(
      20,
    );
    expect(
      mutate(writeEndpoint(endpoint("e", "n", "c")), (text) => readEndpoint("e", "n", "c", text)),
    ).toBeGreaterThan(20);
  });
});
