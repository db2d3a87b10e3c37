import { describe, expect, test } from "bun:test";
import type { PublishedPorts } from "../../specs/engine/container.ts";
import { bindingDifference, changeBindings, changeExposed } from "./change-bindings.ts";
import { parsePortBindings } from "./port-bindings.ts";
import type { Publication } from "./publications.ts";

/** "127.0.0.1:8080->80/tcp", without an address and with any port: ":->80/tcp". */
function bindings(...texts: readonly string[]): PublishedPorts {
  const ports: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const text of texts) {
    const [, HostIp = "", HostPort = "", key = ""] = /^(.*):([^:]*)->(.*)$/.exec(text) ?? [];
    (ports[key] ??= []).push({ HostIp, HostPort });
  }
  return ports;
}

function inForce(...texts: readonly string[]): Publication[] {
  return texts.map((text) => {
    const [, hostIp = "", hostPort, containerPort, protocol] = /^(.*):(\d+)->(\d+)\/(\w+)$/.exec(text) ?? [];
    return {
      protocol: protocol === "udp" ? "udp" : "tcp",
      hostIp,
      hostPort: Number(hostPort),
      containerIp: "172.17.0.2",
      containerPort: Number(containerPort),
    };
  });
}

describe("changeBindings()", () => {
  const cases: [string, string[], { add?: string[]; remove?: string[]; has?: string[] }, string[]][] = [
    ["adds behind what is there", [":8080->80/tcp"], { add: [":->81/udp"] }, [":8080->80/tcp", ":->81/udp"]],
    [
      "removes all of a port",
      [":1->80/tcp", "::1:2->80/tcp", ":1->80/udp"],
      { remove: [":->80/tcp"] },
      [":1->80/udp"],
    ],
    ["removes by port of the host", [":1->80/tcp", ":2->80/tcp"], { remove: [":2->80/tcp"] }, [":1->80/tcp"]],
    [
      "removes by address",
      ["127.0.0.1:1->80/tcp", ":2->80/tcp"],
      { remove: ["127.0.0.1:->80/tcp"] },
      [":2->80/tcp"],
    ],
    ["knows addresses by value", ["0:0::1:7->80/tcp"], { remove: ["::1:7->80"] }, []],
    [
      "removes ranges as they were asked for",
      [":1-9->80/tcp", ":3->80/tcp"],
      { remove: [":1-9->80/tcp"] },
      [":3->80/tcp"],
    ],
    [
      "removes what became of a choice",
      [":->80/tcp", ":1-9->80/tcp", ":5->80/tcp"],
      { remove: [":7->80/tcp"], has: ["0.0.0.0:5->80/tcp", "0.0.0.0:7->80/tcp", "0.0.0.0:49153->80/tcp"] },
      [":->80/tcp", ":5->80/tcp"],
    ],
    ["moves", [":8080->80/tcp"], { remove: [":->80/tcp"], add: [":8080->81/tcp"] }, [":8080->81/tcp"]],
    [
      "leaves other addresses and protocols alone",
      ["127.0.0.1:8080->80/tcp"],
      { add: ["192.0.2.1:8080->80/tcp", ":8080->80/udp", "::1:8080->80/tcp"] },
      ["127.0.0.1:8080->80/tcp", "192.0.2.1:8080->80/tcp", "::1:8080->80/tcp", ":8080->80/udp"],
    ],
  ];
  test.each(cases)("%s", (_, before, { add = [], remove = [], has = [] }, after) => {
    const changes = { add: bindings(...add), remove: bindings(...remove) };
    expect(changeBindings(bindings(...before), changes, inForce(...has))).toEqual(bindings(...after));
  });

  const wrong: [string[], { add?: string[]; remove?: string[]; has?: string[] }, string][] = [
    [[":1->80/tcp"], { remove: [":->81/tcp"] }, "port 81/tcp is not published"],
    [[":1->80/tcp"], { remove: ["127.0.0.1:1->80/tcp"] }, "port 80/tcp is not published to 127.0.0.1:1"],
    [
      [],
      { remove: [":->80/tcp"], has: ["0.0.0.0:1->80/tcp"] },
      "is not published by itself: all exposed ports are",
    ],
    [
      [":1->80/tcp"],
      { remove: [":->1/tcp"], has: ["0.0.0.0:1->80/tcp"] },
      "port 1/tcp is not published; that is the host's port for 80/tcp: 1:80/tcp",
    ],
    [[":1->80/tcp"], { add: [":1->80/tcp"] }, "port 80/tcp is published to :1 already"],
    [[":1->80/tcp"], { add: [":1->81/tcp"] }, "Bind for 0.0.0.0:1 failed: port is already allocated"],
    [["127.0.0.1:1->80/tcp"], { add: ["0.0.0.0:1->80/tcp"] }, "Bind for 0.0.0.0:1 failed"],
    [[], { add: [":1->80/tcp", ":1->81/tcp"] }, "Bind for 0.0.0.0:1 failed"],
    [[], { add: ["x:1->80/tcp"] }, "invalid IP address: x"],
    [[], { remove: [":1->80/icmp"] }, "invalid proto: icmp"],
  ];
  test.each(wrong)("of %p by %p is refused", (before, { add = [], remove = [], has = [] }, message) => {
    const changes = { add: bindings(...add), remove: bindings(...remove) };
    expect(() => changeBindings(bindings(...before), changes, inForce(...has))).toThrow(message);
  });
});

test("bindingDifference() tells which ports of the host have lost their bindings", () => {
  const parse = (...texts: string[]) => parsePortBindings(bindings(...texts));
  const before = parse(":8080->80/tcp", ":->80/tcp", "127.0.0.1:7->7/udp");
  const after = parse(":8080->80/tcp", ":9090->80/tcp", "127.0.0.1:7->7/udp");
  const has = inForce("0.0.0.0:8080->80/tcp", ":::8080->80/tcp", "0.0.0.0:50000->80/tcp", ":::50000->80/tcp");
  expect(bindingDifference(before, after, has)).toEqual({
    added: parse(":9090->80/tcp"),
    removed: has.slice(2),
  });
  expect(bindingDifference(before, before, has)).toEqual({ added: [], removed: [] });
});

test("changeExposed() exposes what is published, and no longer what was", () => {
  const exposed = { "80/tcp": {}, "90/tcp": {} };
  const [before, after] = [bindings(":1->80/tcp", ":2->81/tcp"), bindings(":2->81/tcp", ":3->70/udp")];
  expect(Object.keys(changeExposed(exposed, before, after))).toEqual(["90/tcp", "81/tcp", "70/udp"]);
  expect(changeExposed(null, {}, {})).toEqual({});
});
