/** What others named must not command the terminal of whoever looks at it: whole commands against a hostile engine. */
import { afterEach, describe, expect, test } from "bun:test";
import { untouchedUnlessShown } from "./output/plain-text.ts";
import { cleanUp, fail, FakeEngine, gantry } from "./testing/fake-engine.ts";

afterEach(cleanUp);

const EVIL = "a\u001b[2Jb\u009b1mc\rd\u202ee";
const SHOWN = "a\ufffd[2Jb\ufffd1mc\ufffdd\ufffde";
const COMMANDING = /(?![\n\t])[\p{Cc}\p{Bidi_Control}]/u;

const ANSWERS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  [
    "/containers/json",
    [
      {
        Id: "c0ffee",
        Image: EVIL,
        Command: EVIL,
        Names: [`/${EVIL}`],
        Status: EVIL,
        Labels: { [EVIL]: EVIL },
      },
    ],
  ],
  ["/images/json", [{ Id: "sha256:c0ffee", RepoTags: [`${EVIL}:${EVIL}`], Labels: { a: EVIL } }]],
  ["/networks", [{ Name: EVIL, Id: "c0ffee", Driver: EVIL, Scope: "local" }]],
  ["/containers/x/top", { Titles: ["PID", "CMD"], Processes: [["1", EVIL]] }],
  ["/containers/x/changes", [{ Path: `/${EVIL}`, Kind: 1 }]],
  ["/containers/x/json", { Id: "c0ffee", Name: EVIL, Config: { Labels: { a: EVIL } } }],
  [
    "/events",
    {
      Type: "container",
      Action: EVIL,
      Actor: { ID: EVIL, Attributes: { name: EVIL } },
      time: 1,
      timeNano: 1,
    },
  ],
  ["/info", { Name: EVIL, Labels: [EVIL], Warnings: [EVIL] }],
  ["/version", { Version: EVIL, Components: [{ Name: EVIL, Version: EVIL, Details: { [EVIL]: EVIL } }] }],
  ["/images/x/history", [{ Id: "c0ffee", CreatedBy: EVIL, Comment: EVIL }]],
]);

function hostileEngine(): Promise<FakeEngine> {
  return new FakeEngine().start((call, response) => {
    const answer = ANSWERS.get(call.url.replace(/\?.*/, ""));
    if (answer === undefined) fail(response, 404, `no such thing: ${EVIL}`);
    else response.end(`${JSON.stringify(answer)}\n`);
  });
}

describe("what an engine says does not command the terminal", () => {
  const lines: readonly (readonly [string, string])[] = [
    ["ps", SHOWN],
    ["images", SHOWN],
    ["network ls", SHOWN],
    ["top x", SHOWN],
    ["diff x", `A /${SHOWN}`],
    ["events", `name=${SHOWN}`],
    ["info", SHOWN],
    ["version", SHOWN],
    ["history x", SHOWN],
    ["start y", `no such thing: ${SHOWN}`],
    ["inspect x", String.raw`"a\u001b[2Jb\u009b1mc\rd\u202ee"`],
    ["inspect --format json x", String.raw`\u009b`],
    ["ps --format json", String.raw`\u202e`],
    ["events --format json", String.raw`\u009b`],
    ["info --format json", String.raw`\u009b`],
  ];
  for (const [line, shown] of lines)
    test(line, async () => {
      const engine = await hostileEngine();
      const { out, err } = await gantry(line.split(" "), engine.variables);
      expect(out + err).toContain(shown);
      expect(out + err).not.toMatch(COMMANDING);
    });
});

test("a template's output keeps every byte for a program, and is plain for a terminal", async () => {
  const engine = await hostileEngine();
  const { out } = await gantry(["ps", "--format", "{{.Names}}"], engine.variables);
  expect(out).toBe(`${EVIL}\n`);
  expect(await untouchedUnlessShown(out, async () => true)).toBe(`${SHOWN}\n`);
  let asked = 0;
  await untouchedUnlessShown("plain\n", async () => asked++ === 0);
  expect(asked).toBe(0);
});
