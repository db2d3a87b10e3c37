/** `gantry network …`: what goes to the engine and what is printed, as the stock client has it. */
import { afterEach, describe, expect, test } from "bun:test";
import { NO_ENDPOINT } from "../../specs/engine/container.ts";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cleanUp, fail, FakeEngine, gantry, temporaryDirectory } from "../testing/fake-engine.ts";

afterEach(cleanUp);

const NETWORKS = [
  {
    Name: "net10",
    Id: "0123456789abcdef0123",
    Created: "2026-11-21T01:47:00.120000000Z",
    Scope: "local",
    Driver: "bridge",
    EnableIPv4: true,
    EnableIPv6: true,
    Internal: true,
    Labels: { b: "2", a: "1" },
  },
  {
    Name: "net2",
    Id: "1123456789abcdef0123",
    Created: "",
    Scope: "local",
    Driver: "macvlan",
    EnableIPv4: true,
    Labels: null,
  },
  { Name: "Zed", Id: "2", Created: "0001-01-01T00:00:00Z", Scope: "swarm", Driver: "overlay" },
];

/** Knows the network "gone"; "busy" cannot be removed; there is no other. */
function engine(): Promise<FakeEngine> {
  return new FakeEngine().start(({ method, url }, response) => {
    const path = url.split("?", 1)[0] ?? "";
    if (path === "/networks") response.end(JSON.stringify(NETWORKS));
    else if (path === "/networks/create") response.end('{"Id":"beef","Warning":""}');
    else if (path === "/networks/prune") response.end('{"NetworksDeleted":["a","b"]}');
    else if (/\/(connect|disconnect)$/.test(path)) response.end();
    else if (path === "/networks/gone" && method === "GET") response.end('{"Name":"gone","Id":"abc"}');
    else if (path === "/networks/gone") response.writeHead(204).end();
    else if (path === "/networks/busy") fail(response, 403, "network busy has active endpoints");
    else fail(response, 404, `network ${path.split("/").at(-1)} not found`);
  });
}

const NOT_FOUND = "Error response from daemon: network nosuch not found\n";
const BUSY = "Error response from daemon: network busy has active endpoints\n";

async function lines(...words: string[]) {
  const fake = await engine();
  const outcome = await gantry(["network", ...words], fake.variables);
  return { ...outcome, fake };
}

describe("network ls", () => {
  const shown: [string[], string][] = [
    [
      [],
      "NETWORK ID     NAME      DRIVER    SCOPE\n2              Zed       overlay   swarm\n1123456789ab   net2      macvlan   local\n0123456789ab   net10     bridge    local\n",
    ],
    [["-q"], "2\n1123456789ab\n0123456789ab\n"],
    [["-q", "--no-trunc"], "2\n1123456789abcdef0123\n0123456789abcdef0123\n"],
    [["-q", "--format", "{{.Name}}"], "Zed\nnet2\nnet10\n"],
    [
      ["--format", '{{.ID}} {{.IPv4}} {{.IPv6}} {{.Internal}} [{{.Labels}}] {{.Label "a"}} {{.CreatedAt}}'],
      "2 false false false []  0001-01-01 00:00:00 +0000 UTC\n1123456789ab true false false []  \n0123456789ab true true true [a=1,b=2] 1 2026-11-21 01:47:00.12 +0000 UTC\n",
    ],
    [
      ["--format", 'table {{.Name}}\\t{{.Label "a.b-c"}}\\t{{.Internal}}'],
      "NAME      b c       INTERNAL\nZed                 false\nnet2                false\nnet10               true\n",
    ],
    [["-q", "--format", "raw"], "network_id: 2\nnetwork_id: 1123456789ab\nnetwork_id: 0123456789ab\n"],
  ];
  for (const [words, out] of shown)
    test(`${words.join(" ")} is sorted by natural order of names`, async () => {
      expect(await lines("ls", ...words)).toMatchObject({ status: 0, out, err: "" });
    });

  test("sends its filters, and takes the table's format from the configuration", async () => {
    const fake = await engine();
    const home = temporaryDirectory();
    mkdirSync(join(home, ".docker"));
    writeFileSync(join(home, ".docker/config.json"), '{"networksFormat":"{{.Name}}"}');
    const { out } = await gantry(
      ["network", "list", "-f", "driver=bridge", "--filter", "driver=x"],
      fake.variables,
      home,
    );
    expect(out).toBe("Zed\nnet2\nnet10\n");
    expect(fake.urls().map(decodeURIComponent)).toEqual([
      'GET /networks?filters={"driver":{"bridge":true,"x":true}}',
    ]);
  });
});

describe("network create", () => {
  async function body(...words: string[]): Promise<unknown> {
    const { out, err, fake } = await lines("create", ...words);
    expect([out, err]).toEqual(["beef\n", ""]);
    return JSON.parse(fake.calls[0]?.body ?? "");
  }

  const PLAIN = {
    Name: "n",
    Driver: "bridge",
    Scope: "",
    IPAM: { Driver: "default", Options: {}, Config: [] },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigOnly: false,
    ConfigFrom: null,
    Options: {},
    Labels: {},
  };

  test("leaves to the engine what is not said", async () => {
    expect(await body("n")).toEqual(PLAIN);
  });

  test("sends every flag", async () => {
    const line =
      "--subnet 10.1.0.0/24,fd00::/64 --gateway 10.1.0.1 --gateway fd00::1 --ip-range 10.1.0.128/25 --aux-address a=10.1.0.9 --ipam-driver d --ipam-opt k=v -d macvlan --attachable --internal --ingress --scope local --config-from c --config-only --ipv4=false --ipv6 -o x=1 --opt x=2 --opt y --label a=b --label c n";
    expect(await body(...line.split(" "))).toEqual({
      Name: "n",
      Driver: "macvlan",
      Scope: "local",
      EnableIPv4: false,
      EnableIPv6: true,
      IPAM: {
        Driver: "d",
        Options: { k: "v" },
        Config: [
          {
            Subnet: "10.1.0.0/24",
            IPRange: "10.1.0.128/25",
            Gateway: "10.1.0.1",
            AuxiliaryAddresses: { a: "10.1.0.9" },
          },
          { Subnet: "fd00::/64", Gateway: "fd00::1" },
        ],
      },
      Internal: true,
      Attachable: true,
      Ingress: true,
      ConfigOnly: true,
      ConfigFrom: { Network: "c" },
      Options: { x: "2", y: "" },
      Labels: { a: "b", c: "" },
    });
  });

  test("tells an explicit IPv6 switch from none", async () => {
    expect(await body("--ipv6=false", "n")).toEqual({ ...PLAIN, EnableIPv6: false });
  });
});

describe("network connect and disconnect", () => {
  test("an endpoint without wishes", async () => {
    const { status, out, fake } = await lines("connect", "a/b", "c");
    expect([status, out]).toEqual([0, ""]);
    expect(fake.urls()).toEqual(["POST /networks/a%2Fb/connect"]);
    expect(JSON.parse(fake.calls[0]?.body ?? "")).toEqual({
      Container: "c",
      EndpointConfig: {
        ...NO_ENDPOINT,
        IPAMConfig: {},
        Aliases: [],
        DriverOpts: {},
      },
    });
  });

  test("an endpoint with all of them", async () => {
    const line =
      "connect --alias a,b --alias c --ip 10.1.1.1 --ip6 fe80::1 --link x:y --link z --link-local-ip 169.254.1.1,169.254.1.2 --driver-opt a=b,C=d --gw-priority -3 net c";
    const { fake } = await lines(...line.split(" "));
    expect(JSON.parse(fake.calls[0]?.body ?? "")).toMatchObject({
      EndpointConfig: {
        IPAMConfig: {
          IPv4Address: "10.1.1.1",
          IPv6Address: "fe80::1",
          LinkLocalIPs: ["169.254.1.1", "169.254.1.2"],
        },
        Links: ["x:y", "z"],
        Aliases: ["a", "b", "c"],
        DriverOpts: { a: "b", C: "d" },
        GwPriority: -3,
      },
    });
  });

  for (const [words, force] of [
    [["net", "c"], false],
    [["-f", "net", "c"], true],
  ] as const)
    test(`disconnect ${words.join(" ")}`, async () => {
      const { status, fake } = await lines("disconnect", ...words);
      expect(status).toBe(0);
      expect(fake.calls).toEqual([
        {
          method: "POST",
          url: "/networks/net/disconnect",
          body: JSON.stringify({ Container: "c", Force: force }),
        },
      ]);
    });
});

describe("network rm", () => {
  test("goes on after a failure and prints what went", async () => {
    expect(await lines("rm", "nosuch", "gone", "busy")).toMatchObject({
      status: 1,
      out: "gone\n",
      err: NOT_FOUND + BUSY,
    });
  });

  test("with -f says nothing of a network that does not exist", async () => {
    expect(await lines("remove", "-f", "nosuch", "gone")).toMatchObject({
      status: 0,
      out: "gone\n",
      err: "",
    });
    expect(await lines("rm", "-f", "busy")).toMatchObject({ status: 1, out: "", err: BUSY });
  });
});

describe("network inspect", () => {
  const shown: [string[], number, string, string][] = [
    [["gone"], 0, '[\n    {\n        "Name": "gone",\n        "Id": "abc"\n    }\n]\n', ""],
    [["nosuch"], 1, "[]\n", NOT_FOUND],
    [["-f", "{{.Name}}", "nosuch", "gone"], 1, "gone\n", NOT_FOUND],
    [["-f", "{{.Name}}", "nosuch"], 1, "\n", NOT_FOUND],
    [["-f", "json", "nosuch"], 1, "[]\n", NOT_FOUND],
    [["-f", "json", "gone", "gone"], 0, '[{"Name":"gone","Id":"abc"},{"Name":"gone","Id":"abc"}]\n', ""],
    [
      ["-f", "{{.Foo}}", "gone", "nosuch"],
      1,
      "\n",
      `template parsing error: template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"\n${NOT_FOUND}`,
    ],
    [[""], 1, "[]\n", "invalid network name or ID: value is empty\n"],
  ];
  for (const [words, status, out, err] of shown)
    test(words.join(" "), async () => {
      expect(await lines("inspect", ...words)).toMatchObject({ status, out, err });
    });

  test("a template that is none is refused before anything is asked", async () => {
    const { status, out, err, fake } = await lines("inspect", "-f", "{{.Name", "gone");
    expect([status, out, fake.calls]).toEqual([64, "", []]);
    expect(err).toBe("template parsing error: template: :1: unclosed action\n");
  });

  test("is what the general inspect does with --type network, which looks for containers and images before", async () => {
    const fake = await engine();
    const { status, out, err } = await gantry(
      ["inspect", "--type", "network", "-f", "{{.Name}}", "gone", "nosuch"],
      fake.variables,
    );
    expect({ status, out, err }).toEqual({ status: 1, out: "gone\n", err: NOT_FOUND });
    expect(fake.urls()).toEqual(["GET /networks/gone", "GET /networks/nosuch"]);
    expect((await gantry(["inspect", "-f", "{{.Id}}", "gone"], fake.variables)).out).toBe("abc\n");
  });

  test("-v asks for diagnostics", async () => {
    const { fake } = await lines("inspect", "-v", "gone");
    expect(fake.urls()).toEqual(["GET /networks/gone?verbose=true"]);
  });
});

describe("network prune", () => {
  test("lists what went, with an empty line behind", async () => {
    const { status, out, fake } = await lines("prune", "-f", "--filter", "until=1h");
    expect([status, out]).toEqual([0, "Deleted Networks:\na\nb\n\n"]);
    expect(fake.urls().map(decodeURIComponent)).toEqual([
      'POST /networks/prune?filters={"until":{"1h":true}}',
    ]);
  });

  test("says nothing when nothing went", async () => {
    const fake = await new FakeEngine().start((_, response) => response.end('{"NetworksDeleted":null}'));
    expect(await gantry(["network", "prune", "-f"], fake.variables)).toEqual({ status: 0, out: "", err: "" });
  });

  test("with --dry-run asks nobody and says what would go", async () => {
    const { out, fake } = await lines("prune", "--dry-run");
    expect(out).toBe("Networks to be deleted:\na\nb\n\n");
    expect(fake.urls()).toEqual(["POST /networks/prune?dry-run=1"]);
  });
});

describe("refuses before it calls the engine", () => {
  const refused: [string, number, string][] = [
    ["create --gateway 10.1.0.1 n", 1, "every ip-range or gateway must have a corresponding subnet\n"],
    ["create --aux-address a n", 1, "no matching subnet for aux-address \n"],
    [
      "create --label =x n",
      125,
      `invalid argument "=x" for "--label" flag: invalid label '=x': empty name\nSee 'gantry network create --help'.\n`,
    ],
    ["connect --driver-opt abc net c", 1, "invalid key/value pair format in driver options\n"],
    [
      "connect --link a:b:c net c",
      125,
      `invalid argument "a:b:c" for "--link" flag: bad format for links: a:b:c\nSee 'gantry network connect --help'.\n`,
    ],
    [
      "disconnect net",
      1,
      `"gantry network disconnect" requires exactly 2 arguments.\nSee 'gantry network disconnect --help'.\n\nUsage:  gantry network disconnect [OPTIONS] NETWORK CONTAINER\n\nDisconnect a container from a network\n`,
    ],
  ];
  for (const [line, status, err] of refused)
    test(line, async () => {
      const outcome = await lines(...line.split(" "));
      expect(outcome).toMatchObject({ status, out: "", err });
      expect(outcome.fake.calls).toEqual([]);
    });

  test("a label's name with a blank in it", async () => {
    const { err, fake } = await lines("create", "--label", "a b=x", "n");
    expect(err).toContain("label 'a b' contains whitespaces");
    expect(fake.calls).toEqual([]);
  });

  test("names that are empty", async () => {
    for (const words of [
      ["connect", "", "c"],
      ["connect", "net", " "],
      ["disconnect", "", "c"],
      ["disconnect", "net", ""],
      ["rm", ""],
    ]) {
      const { status, err, fake } = await lines(...words);
      expect(status).toBe(1);
      expect(err).toMatch(/^invalid (network|container) name or ID: value is empty\n$/);
      expect(fake.calls).toEqual([]);
    }
  });
});
