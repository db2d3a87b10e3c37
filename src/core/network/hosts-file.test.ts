import { describe, expect, test } from "bun:test";
import { type HostsInput, hostsText } from "./hosts-file.ts";

const PLAIN: HostsInput = {
  hostname: "hosty",
  domainname: "",
  addresses: ["10.66.0.140"],
  extraHosts: [],
  hostGateways: ["172.17.0.1"],
  defaultHosts: [],
  linked: [],
  hasIpv6: true,
  base: undefined,
};

const LOOPBACK = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

function lines(more: Partial<HostsInput>): string {
  const text = hostsText({ ...PLAIN, ...more });
  expect(text).toStartWith(LOOPBACK);
  return text.slice(LOOPBACK.length);
}

describe("hostsText()", () => {
  test("has loopback and a line for each of the container's addresses", () => {
    expect(lines({ addresses: ["172.23.0.2", "fd00:77::2"] })).toBe("172.23.0.2\thosty\nfd00:77::2\thosty\n");
    expect(lines({ addresses: [] })).toBe("");
    expect(lines({ hostname: "" })).toBe("");
  });

  test("names the container with and without its domain", () => {
    expect(lines({ domainname: "dom.x" })).toBe("10.66.0.140\thosty.dom.x hosty\n");
    expect(lines({ hostname: "hosty.dom.x" })).toBe("10.66.0.140\thosty.dom.x hosty\n");
  });

  test("puts extra hosts first, and the gateway's addresses for host-gateway", () => {
    const extraHosts = ["foo:1.2.3.4", "gw:host-gateway", "six=[fd00::7]", "seven:fd00::8"];
    expect(lines({ extraHosts, hostGateways: ["172.17.0.1", "fd00::1"] })).toBe(
      "1.2.3.4\tfoo\n172.17.0.1\tgw\nfd00::1\tgw\nfd00::7\tsix\nfd00::8\tseven\n10.66.0.140\thosty\n",
    );
  });

  test("names the host, unless somebody else is called so", () => {
    expect(lines({ defaultHosts: ["host.docker.internal:host-gateway"] })).toBe(
      "172.17.0.1\thost.docker.internal\n10.66.0.140\thosty\n",
    );
    expect(
      lines({
        defaultHosts: ["host.docker.internal:host-gateway"],
        extraHosts: ["host.docker.internal:9.9.9.9"],
      }),
    ).toBe("9.9.9.9\thost.docker.internal\n10.66.0.140\thosty\n");
    expect(lines({ defaultHosts: ["host.docker.internal:host-gateway"], hostGateways: [] })).toBe(
      "10.66.0.140\thosty\n",
    );
  });

  test("has the linked containers before its own addresses", () => {
    expect(lines({ linked: [{ address: "172.17.0.3", name: "db 0123 base" }] })).toBe(
      "172.17.0.3\tdb 0123 base\n10.66.0.140\thosty\n",
    );
  });

  test("has no IPv6 where there is none", () => {
    const input = {
      ...PLAIN,
      hasIpv6: false,
      addresses: ["172.23.0.2", "fd00:77::2"],
      extraHosts: ["six:fd00::7"],
    };
    expect(hostsText(input)).toBe("127.0.0.1\tlocalhost\n172.23.0.2\thosty\n");
  });

  test("is the host's own file in its network, unless there are extra hosts", () => {
    const base = "127.0.0.1 localhost\n10.0.0.1 thehost";
    expect(hostsText({ ...PLAIN, base })).toBe(`${base}\n`);
    expect(hostsText({ ...PLAIN, base: "" })).toBe("");
    expect(hostsText({ ...PLAIN, base, addresses: [], extraHosts: ["foo:1.2.3.4"] })).toBe(
      `${LOOPBACK}1.2.3.4\tfoo\n`,
    );
  });

  for (const [entry, message] of [
    ["gw:host-gateway", "unable to derive the IP value for host-gateway"],
    ["foo", 'bad format for add-host: "foo"'],
    ["foo:", 'bad format for add-host: "foo:"'],
    [":1.2.3.4", 'bad format for add-host: ":1.2.3.4"'],
    ["a b:1.2.3.4", 'bad format for add-host: "a b:1.2.3.4"'],
    ["a:1.2.3.4\n6.6.6.6\tevil", 'bad format for add-host: "a:1.2.3.4\\n6.6.6.6\\tevil"'],
    ["#a:1.2.3.4", 'bad format for add-host: "#a:1.2.3.4"'],
    ["a:1.2.3", 'invalid IP address in add-host: "1.2.3"'],
    ["a:hostgateway", 'invalid IP address in add-host: "hostgateway"'],
  ] as const)
    test(`refuses ${JSON.stringify(entry)}`, () => {
      expect(() => hostsText({ ...PLAIN, extraHosts: [entry], hostGateways: [] })).toThrow(message);
    });
});
