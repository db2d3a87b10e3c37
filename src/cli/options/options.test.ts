import { describe, expect, test } from "bun:test";
import { restartPolicy } from "./create-body.ts";
import { effectiveCapabilities } from "./capabilities.ts";
import { parseDevice, parseGpus, parseUlimit } from "./devices.ts";
import { parseEnvironmentFile, textOf } from "./environment.ts";
import { parseMount, parseVolumes } from "./mounts.ts";
import { buildNetworking, parseNetwork } from "./networks.ts";
import { parseExpose, parsePublish } from "./ports.ts";
import {
  checkDnsSearch,
  checkExtraHost,
  checkIpAddress,
  csvFields,
  keyValues,
  parseNanoCpus,
} from "./values.ts";

function outcome(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error instanceof Error ? `error: ${error.message}` : error;
  }
}

function table<T>(
  name: string,
  parse: (text: T) => unknown,
  cases: readonly (readonly [T, unknown])[],
): void {
  describe(name, () => {
    for (const [text, expected] of cases)
      test(JSON.stringify(text), () => {
        expect(outcome(() => parse(text))).toEqual(expected);
      });
  });
}

const flat = (text: string): string[] =>
  parsePublish(text).map(({ port, binding }) => `${binding.HostIp}|${binding.HostPort}|${port}`);

table("parsePublish()", flat, [
  ["80", ["||80/tcp"]],
  ["8080:80", ["|8080|80/tcp"]],
  ["80/TCP", ["||80/tcp"]],
  ["127.0.0.1:8080:80/udp", ["127.0.0.1|8080|80/udp"]],
  ["127.0.0.1::80", ["127.0.0.1||80/tcp"]],
  ["[::1]:80:80", ["::1|80|80/tcp"]],
  ["8080-8081:80-81/sctp", ["|8080|80/sctp", "|8081|81/sctp"]],
  ["8080-8090:80", ["|8080-8090|80/tcp"]],
  ["published=8080,target=80,protocol=udp,mode=host", ["|8080|80/udp"]],
  ["target=80", ["||80/tcp"]],
  ["target=80,mode=ingress", ["||80/tcp"]],
  ["80/", ["||80/tcp"]],
  ["0:80", ["|0|80/tcp"]],
  ["[::1]::80", ["::1||80/tcp"]],
  ["::1:8080:80", ["::1|8080|80/tcp"]],
  ["fe80::1::80", ["fe80::1||80/tcp"]],
  ["80-80:81-81", ["|80|81/tcp"]],
  [":80", ["||80/tcp"]],
  ["080:080", ["|80|80/tcp"]],
  ["published=8080-8082,target=80", ["|8080-8082|80/tcp"]],
  ["published=8080-8081,target=80-81,protocol=UDP", ["|8080|80/udp", "|8081|81/udp"]],
  ["published=127.0.0.1:80,target=80", ["127.0.0.1|80|80/tcp"]],
  ["published=[::1]:80,target=80", ["::1|80|80/tcp"]],
  ["target=80,published=", ["||80/tcp"]],
  ["published=8080", "error: missing mandatory field 'target'"],
  ["target=80,published=x", "error: Invalid hostPort: x"],
  ["target=x", "error: Invalid containerPort: x"],
  ["target=80,mode=x", "error: invalid publish mode value (x): must be either 'ingress' or 'host'"],
  ["target=80,protocol=x", "error: Invalid proto: x"],
  ["target=80,foo=bar", "error: invalid field key foo"],
  ["target=80,published", "error: invalid publish opts format (should be name=value but got 'published')"],
  ["=x,target=80", "error: invalid publish opts format (should be name=value but got '=x')"],
  ["", "error: No port specified: <empty>"],
  ["::", "error: No port specified: ::<empty>"],
  ["/tcp", "error: No port specified: /tcp<empty>"],
  ["80:", "error: No port specified: 80:<empty>"],
  ["x", "error: Invalid containerPort: x"],
  ["-1", "error: Invalid containerPort: -1"],
  ["+80", "error: Invalid containerPort: +80"],
  [" 80", "error: Invalid containerPort:  80"],
  ["80-81-82", "error: Invalid containerPort: 80-81-82"],
  ["82-80:82-80", "error: Invalid containerPort: 82-80"],
  ["80:99999", "error: Invalid containerPort: 99999"],
  ["99999:80", "error: Invalid hostPort: 99999"],
  ["8082-8080:80", "error: Invalid hostPort: 8082-8080"],
  ["1.2.3.4:80", "error: Invalid hostPort: 1.2.3.4"],
  ["80/tcp:80", "error: Invalid hostPort: 80/tcp"],
  ["80:80/foo", "error: Invalid proto: foo"],
  ["80/tcp/udp", "error: Invalid proto: tcp/udp"],
  ["localhost:80:80", "error: Invalid ip address: localhost"],
  ["[x]:80:80", "error: Invalid ip address: x"],
  ["[::1%eth0]:80:80", "error: Invalid ip address: ::1%eth0"],
  ["1:2:3:4", "error: Invalid ip address: 1:2"],
  ["[::1:80:80", "error: Invalid ip address [::1: address [::1:: missing ']' in address"],
  ["[::1]:80", "error: Invalid ip address [:: address [::: missing ']' in address"],
  ["8080-8081:80-82", "error: Invalid ranges specified for container and host Ports: 80-82 and 8080-8081"],
]);

table("parseExpose()", parseExpose, [
  ["80", ["80/tcp"]],
  ["90-92/udp", ["90/udp", "91/udp", "92/udp"]],
  ["1:2", "error: invalid port format for --expose: 1:2"],
  ["x", 'error: invalid range format for --expose: x, error: strconv.ParseUint: parsing "x": invalid syntax'],
  [
    "70000",
    'error: invalid range format for --expose: 70000, error: strconv.ParseUint: parsing "70000": value out of range',
  ],
  ["65535", ["65535/tcp"]],
  ["9-8", "error: invalid range format for --expose: 9-8, error: Invalid range specified for the Port: 9-8"],
  ["/udp", "error: invalid range format for --expose: /udp, error: Empty string specified for ports."],
]);

table("parseMount()", parseMount, [
  ["type=bind,src=/tmp,dst=/x,readonly", { Type: "bind", Source: "/tmp", Target: "/x", ReadOnly: true }],
  [
    "type=bind,src=/tmp,dst=/x,ro=true,bind-propagation=rshared,bind-recursive=disabled",
    {
      Type: "bind",
      Source: "/tmp",
      Target: "/x",
      ReadOnly: true,
      BindOptions: { Propagation: "rshared", NonRecursive: true },
    },
  ],
  ['type=bind,"src=/a,b",dst=/x', { Type: "bind", Source: "/a,b", Target: "/x" }],
  [
    "src=vol,dst=/x,volume-nocopy,volume-driver=local,volume-opt=a=b,volume-label=__proto__=d,volume-subpath=s",
    {
      Type: "volume",
      Source: "vol",
      Target: "/x",
      VolumeOptions: {
        NoCopy: true,
        Subpath: "s",
        Labels: Object.defineProperty(Object.create(null), "__proto__", { value: "d", enumerable: true }),
        DriverConfig: { Name: "local", Options: { a: "b" } },
      },
    },
  ],
  [
    "type=tmpfs,dst=/x,tmpfs-size=10m,tmpfs-mode=1770",
    { Type: "tmpfs", Target: "/x", TmpfsOptions: { SizeBytes: 10485760, Mode: 0o1770 } },
  ],
  ["foo", "error: invalid field 'foo' must be a key=value pair"],
  ["type=bind,dst=/x,foo=bar", "error: unexpected key 'foo' in 'foo=bar'"],
  ["type=bind,src=/tmp", "error: target is required"],
  ["type=tmpfs,dst=/x,tmpfs-mode=9", "error: invalid value for tmpfs-mode: 9"],
  ["type=bind,src=/a,dst=/x,volume-nocopy", "error: cannot mix 'volume-*' options with mount type 'bind'"],
  [
    "type=volume,dst=/x,bind-propagation=shared",
    "error: cannot mix 'bind-*' options with mount type 'volume'",
  ],
  [
    "type=bind,src=/tmp,dst=/x,bind-recursive=writable",
    "error: option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction",
  ],
]);

table("parseVolumes()", (values: string[]) => parseVolumes(values, "/work/dir"), [
  [["/a:/b:ro", "name:/c", "/d"], { binds: ["/a:/b:ro", "name:/c"], anonymous: ["/d"] }],
  [["./x:/f", ".:/g", "../y:/h"], { binds: ["/work/dir/x:/f", "/work/dir:/g", "/work/y:/h"], anonymous: [] }],
  [[""], "error: invalid empty volume spec"],
  [[":/b"], "error: invalid spec: :/b: empty section between colons"],
  [["/a:/b:ro:x"], "error: invalid spec: /a:/b:ro:x: too many colons"],
]);

const NO_LEGACY = { aliases: [], links: [], ipv4: "", ipv6: "", linkLocalIps: [], macAddress: "" };

describe("buildNetworking()", () => {
  const build = (networks: string[], legacy: object = {}): unknown =>
    outcome(() => buildNetworking(networks.map(parseNetwork), { ...NO_LEGACY, ...legacy }));

  test("asks for the default network when none is named", () => {
    expect(build([])).toMatchObject({ networkMode: "default", endpoints: { default: { IPAMConfig: null } } });
  });

  test("gives no endpoint to a single network that is only named", () => {
    for (const mode of ["none", "host", "container:abc", "bridge", "default", "foo"])
      expect(build([mode])).toEqual({ networkMode: mode, endpoints: {} });
    expect(build(["name=foo"])).toEqual({ networkMode: "foo", endpoints: {} });
  });

  test("sends wishes whatever the network is: the engine knows what it can give", () => {
    for (const mode of ["host", "none", "container:abc", "default", "bridge"])
      expect(build([mode], { ipv4: "1.2.3.4" })).toMatchObject({
        networkMode: mode,
        endpoints: { [mode]: { IPAMConfig: { IPv4Address: "1.2.3.4" } } },
      });
    expect(build([], { macAddress: "02:42:ac:11:00:02" })).toMatchObject({
      endpoints: { default: { MacAddress: "02:42:ac:11:00:02" } },
    });
    expect(build(["name=foo,gw-priority=-1"])).toMatchObject({ endpoints: { foo: { GwPriority: -1 } } });
  });

  test("a name in the long form may be quoted, and keeps its capitals", () => {
    expect(build(['"name=Foo",alias=X'])).toMatchObject({
      networkMode: "Foo",
      endpoints: { Foo: { Aliases: ["X"] } },
    });
  });

  test("links are an endpoint's on a network of the user's only", () => {
    expect(build(["foo"], { links: ["a:b"] })).toMatchObject({ endpoints: { foo: { Links: ["a:b"] } } });
    expect(build([], { links: ["a:b"] })).toMatchObject({ endpoints: { default: { Links: null } } });
    expect(build(["bridge"], { links: ["a:b"] })).toEqual({ networkMode: "bridge", endpoints: {} });
  });

  test("reads the long form and joins the older flags to the first network", () => {
    expect(
      build(["name=foo,ip=1.2.3.4,driver-opt=K=v", "bar"], { aliases: ["x"], ipv6: "::5" }),
    ).toMatchObject({
      networkMode: "foo",
      endpoints: {
        foo: {
          IPAMConfig: { IPv4Address: "1.2.3.4", IPv6Address: "::5" },
          Aliases: ["x"],
          DriverOpts: { k: "v" },
        },
        bar: { Aliases: null },
      },
    });
  });

  const refused: [string[], object, string][] = [
    [
      ["host"],
      { aliases: ["x"] },
      "error: network-scoped aliases are only supported for user-defined networks",
    ],
    [[""], {}, "error: no name set for network"],
    [["foo", "foo"], {}, 'error: network "foo" is specified multiple times'],
    [
      ["name=foo,alias=a"],
      { aliases: ["x"] },
      "error: conflicting options: cannot specify both --network-alias and per-network alias",
    ],
    ...[
      ["bridge", "foo"],
      ["foo", "host"],
      ["foo", "container:abc"],
    ].map((networks): [string[], object, string] => [
      networks,
      {},
      "error: conflicting options: cannot attach both user-defined and non-user-defined network-modes",
    ]),
    [["host", "host"], {}, 'error: network "host" is specified multiple times'],
    [["foo"], { macAddress: "zz" }, "error: zz is not a valid mac address"],
    [["name=foo,mac-address=02:42:ac:11:00"], {}, "error: 02:42:ac:11:00 is not a valid mac address"],
    ...(
      [
        ["ip=1.2.3.4", { ipv4: "1.2.3.5" }, "ip", "IPv4 address"],
        ["ip6=::1", { ipv6: "::2" }, "ip6", "IPv6 address"],
        ["mac-address=02:42:ac:11:00:02", { macAddress: "02:42:ac:11:00:03" }, "mac-address", "MAC address"],
        [
          "link-local-ip=169.254.1.1",
          { linkLocalIps: ["169.254.1.2"] },
          "link-local-ip",
          "link-local IP addresses",
        ],
      ] as const
    ).map(([field, legacy, flag, what]): [string[], object, string] => [
      [`name=foo,${field}`],
      legacy,
      `error: conflicting options: cannot specify both --${flag} and per-network ${what}`,
    ]),
    [["name=foo,driver-opt=a"], {}, "error: invalid key value pair format in driver options"],
    [["name=foo,alias"], {}, "error: invalid field alias"],
    [["name=foo,gw-priority=x"], {}, "error: invalid gw-priority (x): invalid syntax"],
    [["name=foo,gw-priority=9e9"], {}, "error: invalid gw-priority (9e9): invalid syntax"],
    [
      [`name=foo,gw-priority=${"9".repeat(20)}`],
      {},
      `error: invalid gw-priority (${"9".repeat(20)}): value out of range`,
    ],
    [["alias=x"], {}, "error: network name/id is not specified"],
    [["name=x,foo=y"], {}, "error: invalid field key foo"],
  ];
  for (const [networks, legacy, message] of refused)
    test(`refuses ${networks.join(" and ")}`, () => {
      expect(build(networks, legacy)).toBe(message);
    });
});

table("parseDevice()", (text: string) => Object.values(parseDevice(text)), [
  ["/dev/null", ["/dev/null", "/dev/null", "rwm"]],
  ["/dev/zero:/dev/z", ["/dev/zero", "/dev/z", "rwm"]],
  ["/dev/null:r", ["/dev/null", "/dev/null", "r"]],
  ["/dev/zero:/dev/q:rw", ["/dev/zero", "/dev/q", "rw"]],
  ["/dev/null:/dev/x:q", "error: bad mode specified: q"],
  ["/dev/null:/dev/x:rr", "error: bad mode specified: rr"],
  ["null", "error: null is not an absolute path"],
  ["/dev/zero:zero", "error: zero is not an absolute path"],
]);

table("effectiveCapabilities()", ([add, drop]: string[][]) => effectiveCapabilities(add ?? [], drop ?? []), [
  [[[], []], { add: null, drop: null }],
  [
    [["net_admin", "CAP_CHOWN", "chown"], ["kill"]],
    { add: ["CAP_CHOWN", "CAP_NET_ADMIN"], drop: ["CAP_KILL"] },
  ],
  [[["ALL", "kill"], ["all"]], { add: ["ALL"], drop: ["ALL"] }],
  [[["chown"], ["ALL", "kill"]], { add: ["CAP_CHOWN"], drop: ["ALL"] }],
  [[["chown"], ["cap_chown", "kill"]], { add: ["CAP_CHOWN"], drop: ["CAP_KILL"] }],
]);

table("parseGpus()", parseGpus, [
  ["all", { Driver: "", Count: -1, DeviceIDs: null, Capabilities: [["gpu"]], Options: {} }],
  ["2", { Driver: "", Count: 2, DeviceIDs: null, Capabilities: [["gpu"]], Options: {} }],
  ["device=0", { Driver: "", Count: 0, DeviceIDs: ["0"], Capabilities: [["gpu"]], Options: {} }],
  [
    "driver=nvidia,count=2,capabilities=compute,options=a=b",
    { Driver: "nvidia", Count: 2, DeviceIDs: null, Capabilities: [["compute", "gpu"]], Options: { a: "b" } },
  ],
  ["x", 'error: count must be an integer: strconv.Atoi: parsing "x": invalid syntax'],
]);

table("parseUlimit()", parseUlimit, [
  ["nofile=1024:2048", { Name: "nofile", Hard: 2048, Soft: 1024 }],
  ["nproc=-1", { Name: "nproc", Hard: -1, Soft: -1 }],
  ["x", "error: invalid ulimit argument: x"],
  ["foo=1", "error: invalid ulimit type: foo"],
  ["nofile=5:1", "error: ulimit soft limit must be less than or equal to hard limit: 5 > 1"],
  ["nofile=1:x", 'error: strconv.ParseInt: parsing "x": invalid syntax'],
]);

table("parseNanoCpus()", parseNanoCpus, [
  ["1.5", 1500000000],
  ["1/2", 500000000],
  [".5", 500000000],
  ["1e-1", 100000000],
  ["-1", -1000000000],
  ["0.0000000001", "error: value is too precise"],
  ["1/3", "error: value is too precise"],
  ["1/0", "error: failed to parse 1/0 as a rational number"],
  ["x", "error: failed to parse x as a rational number"],
  ["1.5x", "error: failed to parse 1.5x as a rational number"],
]);

table("checkExtraHost()", checkExtraHost, [
  ["a:1.2.3.4", "a:1.2.3.4"],
  ["b=::1", "b:::1"],
  ["d=[::2]", "d:::2"],
  ["c:host-gateway", "c:host-gateway"],
  ["a", 'error: bad format for add-host: "a"'],
  ["a:[1.2.3.4]", "a:1.2.3.4"],
  ["a: 1.2.3.4", "a:1.2.3.4"],
  ["e=0:0:0:0:0:0:0:1", "e:0:0:0:0:0:0:0:1"],
  ["=1.2.3.4", 'error: bad format for add-host: "=1.2.3.4"'],
  ["a:b=1.2.3.4", 'error: bad format for add-host: "a:b=1.2.3.4"'],
  ["a:[]", 'error: invalid IP address in add-host: "[]"'],
  ["a=", 'error: invalid IP address in add-host: ""'],
  ["a:1.2.3.456", 'error: invalid IP address in add-host: "1.2.3.456"'],
]);

table("checkIpAddress()", checkIpAddress, [
  [" 1.2.3.4", "1.2.3.4"],
  ["2001:0DB8::1", "2001:db8::1"],
  ["[::1]", "error: IP address is not correctly formatted: [::1]"],
]);

table("checkDnsSearch()", checkDnsSearch, [
  ["example.com", "example.com"],
  [".", "."],
  ["a.b.", "a.b"],
  ["", "error:  is not a valid domain"],
  ["x..y", "error: x..y is not a valid domain"],
  ["1.2", "error: 1.2 is not a valid domain"],
  ["a b", "error: a b is not a valid domain"],
]);

table("csvFields()", csvFields, [
  ["a,b", ["a", "b"]],
  ['"a,b",c', ["a,b", "c"]],
  ['"a""b"', ['a"b']],
  ["a,", ["a", ""]],
  ['a"b', 'error: bare " in "a\\"b"'],
]);

const OWN = new Map([["PATH", "/bin"]]);

table("parseEnvironmentFile()", (content: string) => parseEnvironmentFile(content, "f", OWN), [
  ["A=1\n# c\n  B=2\nPATH\nNOPE\nC=a b # x\n\nD=\n", ["A=1", "B=2", "PATH=/bin", "C=a b # x", "D="]],
  ['Q="quoted"\r\nE=x=y', ['Q="quoted"', "E=x=y"]],
  ["\uFEFFA=1", ["A=1"]],
  ["A b=1", "error: poorly formatted environment: variable 'A b' contains whitespaces"],
  ["=1", "error: poorly formatted environment: no variable name on line '=1'"],
]);

test("keyValues() keeps keys that objects would swallow, and the last of equal ones", () => {
  const map = keyValues(["__proto__=x", "constructor=y", "a", "a=b=c"]);
  expect(JSON.stringify(map)).toBe('{"__proto__":"x","constructor":"y","a":"b=c"}');
});

table("restartPolicy()", restartPolicy, [
  ["", { Name: "", MaximumRetryCount: 0 }],
  ["always", { Name: "always", MaximumRetryCount: 0 }],
  ["on-failure:3", { Name: "on-failure", MaximumRetryCount: 3 }],
  ["on-failure:", { Name: "on-failure", MaximumRetryCount: 0 }],
  ["on-failure:-1", { Name: "on-failure", MaximumRetryCount: -1 }],
  ["on-failure:x", "error: invalid restart policy format: maximum retry count must be an integer"],
  [":3", "error: invalid restart policy format: no policy provided before colon"],
]);

table("textOf() of bytes", (bytes: readonly number[]) => textOf(Uint8Array.from(bytes), "file"), [
  [[65, 61, 0xc3, 0xa4, 10], "A=ä\n"],
  [[0xef, 0xbb, 0xbf, 65], "\uFEFFA"],
  [
    [65, 10, 88, 61, 255, 254, 10],
    "error: env file file contains invalid utf8 bytes at line 2: [88 61 255 254]",
  ],
]);
