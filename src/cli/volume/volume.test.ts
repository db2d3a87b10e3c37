/** `gantry volume …` and the rows of `system df`: what goes to the engine and what is printed, as the stock client has it. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cleanUp, fail, FakeEngine, gantry, temporaryDirectory } from "../testing/fake-engine.ts";

afterEach(cleanUp);

const VOLUMES = [
  {
    CreatedAt: "2026-11-28T23:00:56Z",
    Driver: "local",
    Labels: { b: "2", a: "1" },
    Mountpoint: "/v/vol10/_data",
    Name: "vol10",
    Options: null,
    Scope: "local",
    UsageData: { RefCount: 1, Size: 1500 },
  },
  {
    Driver: "local",
    Labels: null,
    Mountpoint: "/v/vol2/_data",
    Name: "vol2",
    Scope: "local",
    UsageData: { RefCount: 0, Size: 500 },
  },
];

/** Of a list; only /system/df knows usage. */
const LISTED = VOLUMES.map((volume) => ({ ...volume, UsageData: undefined }));

/** "busy" cannot be removed, "gone" can; there is no other. */
function engine(): Promise<FakeEngine> {
  return new FakeEngine().start(({ method, url }, response) => {
    const path = url.split("?", 1)[0] ?? "";
    if (path === "/volumes") response.end(JSON.stringify({ Volumes: LISTED, Warnings: null }));
    else if (path === "/volumes/create") response.end('{"Name":"made"}');
    else if (path === "/volumes/prune") response.end('{"VolumesDeleted":["a","b"],"SpaceReclaimed":1500}');
    else if (path === "/system/df")
      response.end(JSON.stringify({ LayersSize: 0, Images: [], Containers: [], Volumes: VOLUMES }));
    else if (path === "/volumes/gone" && method === "GET") response.end('{"Name":"gone","Options":null}');
    else if (path === "/volumes/gone") response.writeHead(204).end();
    else if (path === "/volumes/busy") fail(response, 409, "remove busy: volume is in use - [c1]");
    else fail(response, 404, `get ${path.split("/").at(-1)}: no such volume`);
  });
}

async function lines(...words: string[]) {
  const fake = await engine();
  const outcome = await gantry(["volume", ...words], fake.variables);
  return { ...outcome, fake };
}

describe("volume ls", () => {
  const shown: [string[], string][] = [
    [[], "DRIVER    VOLUME NAME\nlocal     vol2\nlocal     vol10\n"],
    [["-q"], "vol2\nvol10\n"],
    [
      ["--format", '{{.Name}} {{.Mountpoint}} {{.Scope}} [{{.Labels}}] {{.Label "a"}} {{.Links}} {{.Size}}'],
      "vol2 /v/vol2/_data local []  N/A N/A\nvol10 /v/vol10/_data local [a=1,b=2] 1 N/A N/A\n",
    ],
    [["--format", "raw"], "name: vol2\ndriver: local\n\nname: vol10\ndriver: local\n\n"],
    [["-q", "--format", "raw"], "name: vol2\nname: vol10\n"],
  ];
  for (const [words, out] of shown)
    test(`${words.join(" ")} is sorted by natural order of names`, async () => {
      expect(await lines("ls", ...words)).toMatchObject({ status: 0, out, err: "" });
    });

  test("as JSON it has Docker's fields", async () => {
    const { out } = await lines("ls", "--format", "json");
    expect(JSON.parse(out.split("\n")[0] ?? "")).toEqual({
      Availability: "N/A",
      Driver: "local",
      Group: "N/A",
      Labels: "",
      Links: "N/A",
      Mountpoint: "/v/vol2/_data",
      Name: "vol2",
      Scope: "local",
      Size: "N/A",
      Status: "N/A",
    });
  });

  test("sends its filters, and takes the table's format from the configuration", async () => {
    const fake = await engine();
    const home = temporaryDirectory();
    mkdirSync(join(home, ".docker"));
    writeFileSync(join(home, ".docker/config.json"), '{"volumesFormat":"{{.Name}}!"}');
    const { out } = await gantry(["volume", "list", "-f", "dangling=true"], fake.variables, home);
    expect(out).toBe("vol2!\nvol10!\n");
    expect(fake.urls().map(decodeURIComponent)).toEqual(['GET /volumes?filters={"dangling":{"true":true}}']);
  });
});

describe("volume create", () => {
  const bodies: [string[], unknown][] = [
    [[], { Name: "", Driver: "local" }],
    [["--name", "data"], { Name: "data", Driver: "local" }],
    [
      ["-d", "nfs", "--label", "a=b", "--label", "c", "-o", "type=nfs", "--opt", "o=addr=1.2.3.4,rw", "data"],
      {
        Name: "data",
        Driver: "nfs",
        DriverOpts: { type: "nfs", o: "addr=1.2.3.4,rw" },
        Labels: { a: "b", c: "" },
      },
    ],
  ];
  for (const [words, body] of bodies)
    test(`create ${words.join(" ")}`, async () => {
      const { status, out, fake } = await lines("create", ...words);
      expect([status, out, JSON.parse(fake.calls[0]?.body ?? "")]).toEqual([0, "made\n", body]);
    });

  test("refuses two names before it calls the engine", async () => {
    expect(await lines("create", "--name", "a", "b")).toMatchObject({
      status: 1,
      err: "conflicting options: cannot specify a volume name through both --name and as a positional arg\n",
      fake: { calls: [] },
    });
  });
});

describe("volume rm, inspect and prune", () => {
  test("rm goes on after a failure and prints what went", async () => {
    const { fake, ...outcome } = await lines("rm", "-f", "busy", "gone", "no");
    expect(outcome).toEqual({
      status: 1,
      out: "gone\n",
      err: "Error response from daemon: remove busy: volume is in use - [c1]\nError response from daemon: get no: no such volume\n",
    });
    expect(fake.urls()).toEqual([
      "DELETE /volumes/busy?force=1",
      "DELETE /volumes/gone?force=1",
      "DELETE /volumes/no?force=1",
    ]);
  });

  test("inspect prints documents, or what the format says of them", async () => {
    expect(await lines("inspect", "-f", "{{.Name}}", "gone", "no")).toMatchObject({
      status: 1,
      out: "gone\n",
      err: "Error response from daemon: get no: no such volume\n",
    });
    expect(await lines("inspect", "")).toMatchObject({ err: "invalid volume name: value is empty\n" });
  });

  test("prune says what went and how much that was; -a takes named ones, too", async () => {
    const { fake, ...outcome } = await lines("prune", "-af", "--filter", "label=x");
    expect(outcome).toEqual({
      status: 0,
      out: "Deleted Volumes:\na\nb\n\nTotal reclaimed space: 1.5kB\n",
      err: "",
    });
    expect(fake.urls().map(decodeURIComponent)).toEqual([
      'POST /volumes/prune?filters={"label":{"x":true},"all":{"true":true}}',
    ]);
    expect((await lines("prune", "-a", "--filter", "all=1")).err).toBe(
      "conflicting options: cannot specify both --all and --filter all=1\n",
    );
  });
});

test("system df has a row of volumes, and with -v one for each", async () => {
  const fake = await engine();
  const { out } = await gantry(["system", "df"], fake.variables);
  expect(out).toContain("Local Volumes   2         1         2kB       500B (25%)\n");
  const { out: all } = await gantry(["system", "df", "-v"], fake.variables);
  expect(all).toContain(
    "Local Volumes space usage:\n\nVOLUME NAME   LINKS     SIZE\nvol2          0         500B\nvol10         1         1.5kB\n\nBuild cache",
  );
});
