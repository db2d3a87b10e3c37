/** `gantry events` of networks, as the stock client shows them. */
import { afterEach, expect, test } from "bun:test";
import { cleanUp, FakeEngine, gantry } from "../testing/fake-engine.ts";

afterEach(cleanUp);

const ID = "f".repeat(64);
const CONTAINER = "c".repeat(64);
const EVENTS = [
  {
    Type: "network",
    Action: "connect",
    Actor: { ID, Attributes: { type: "bridge", name: "n", container: CONTAINER } },
    scope: "local",
    time: 1763690400,
    timeNano: "1763690400123456789",
  },
  {
    status: "create",
    id: CONTAINER,
    from: "busybox",
    Type: "container",
    Action: "create",
    Actor: { ID: CONTAINER, Attributes: { image: "busybox", name: "c" } },
    scope: "local",
    time: 1763690401,
    timeNano: "1763690401000000000",
  },
  {
    Type: "network",
    Action: "prune",
    Actor: { ID: "", Attributes: { reclaimed: "0" } },
    scope: "local",
    time: 1763690402,
    timeNano: "1763690402000000000",
  },
];
// A number of nanoseconds is more than JSON.stringify() can write.
const LINES = EVENTS.map((event) => JSON.stringify(event).replace(/"timeNano":"(\d+)"/, '"timeNano":$1'));

async function events(...words: string[]) {
  const engine = await new FakeEngine().start((_, response) => response.end(`${LINES.join("\n")}\n`));
  const outcome = await gantry(["events", ...words], engine.variables);
  return { ...outcome, urls: engine.urls() };
}

test("attributes are sorted, a prune has no ID", async () => {
  const { out } = await events();
  expect(out.replaceAll(/^\S+/gm, "TIME")).toBe(
    `TIME network connect ${ID} (container=${CONTAINER}, name=n, type=bridge)\nTIME container create ${CONTAINER} (image=busybox, name=c)\nTIME network prune  (reclaimed=0)\n`,
  );
});

const shown: [string, string][] = [
  ["json", `${LINES.join("\n")}\n`],
  [
    "{{.Type}} {{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}} {{.Scope}} {{.TimeNano}}",
    `network connect ${ID} n local 1763690400123456789\ncontainer create ${CONTAINER} c local 1763690401000000000\nnetwork prune  <no value> local 1763690402000000000\n`,
  ],
  ["[{{.Status}}|{{.ID}}|{{.From}}]", `[||]\n[create|${CONTAINER}|busybox]\n[||]\n`],
  [
    "{{json .Actor}}",
    `{"ID":"${ID}","Attributes":{"type":"bridge","name":"n","container":"${CONTAINER}"}}\n{"ID":"${CONTAINER}","Attributes":{"image":"busybox","name":"c"}}\n{"ID":"","Attributes":{"reclaimed":"0"}}\n`,
  ],
];
for (const [format, out] of shown)
  test(`--format '${format}'`, async () => {
    expect(await events("--format", format)).toMatchObject({ status: 0, out, err: "" });
  });

for (const format of ["{{.Foo}}", "{{.Actor.Foo}}", "{{.Type"])
  test(`--format '${format}' is refused before anybody waits for an event`, async () => {
    const { status, out, err, urls } = await events("--format", format);
    expect([status, out, urls]).toEqual([64, "", []]);
    expect(err).toStartWith("Error parsing format: template: :1");
  });

test("a template that an event does not fit ends the command", async () => {
  const { status, out, err } = await events(
    "--format",
    '{{if eq .Action "prune"}}{{index .Type 100}}{{end}}',
  );
  expect([status, out]).toEqual([1, "\n\n"]);
  expect(err).toStartWith("Error parsing format: template: :1");
});
