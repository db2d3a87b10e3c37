/** Health on the command line: what goes to the engine, and the column of `ps`. */
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cleanUp, FakeEngine, gantry } from "../testing/fake-engine.ts";

afterEach(cleanUp);

async function create(flags: string) {
  const engine = await new FakeEngine().start((_, response) => response.end('{"Id":"c0ffee"}'));
  const outcome = await gantry(["create", ...flags.split(" "), "busybox"], engine.variables);
  const body: unknown = JSON.parse(engine.calls[0]?.body ?? "{}");
  return { ...outcome, body };
}

test("flags of health checks become Docker's fields", async () => {
  const flags =
    "--health-cmd check --health-interval 1m30s --health-timeout 2s --health-retries 4 --health-start-period 1s --health-start-interval 500ms --health-on-failure kill";
  expect((await create(flags)).body).toMatchObject({
    Healthcheck: {
      Test: ["CMD-SHELL", "check"],
      Interval: 90e9,
      Timeout: 2e9,
      Retries: 4,
      StartPeriod: 1e9,
      StartInterval: 5e8,
    },
    HostConfig: { HealthOnFailure: "kill" },
  });
  expect((await create("--no-healthcheck")).body).toMatchObject({ Healthcheck: { Test: ["NONE"] } });
  const plain = JSON.stringify((await create("--init")).body);
  expect(plain).not.toContain("Health");
});

test("what does not fit together is refused before anybody is asked", async () => {
  for (const [flags, text] of [
    ["--no-healthcheck --health-cmd x", "--no-healthcheck conflicts with --health-* options"],
    ["--health-interval -1s", "--health-interval cannot be negative"],
    ["--health-retries -1", "--health-retries cannot be negative"],
    ["--health-timeout 5", 'time: missing unit in duration "5"'],
  ] as const) {
    const { status, err, body } = await create(flags);
    expect([flags, status, err, body]).toEqual([flags, 125, expect.stringContaining(text), {}]);
  }
});

test("flags of engines on windows are refused by name", async () => {
  const { status, err, body } = await create("--cpu-count 1 --io-maxiops 2");
  expect([status, body]).toEqual([1, {}]);
  expect(err).toContain('"--cpu-count" is only supported on a Docker daemon running on windows');
  expect(err).toContain('"--io-maxiops" is only supported');
});

test("an ID file that is there, and one whose directory is not, end create with status 1", async () => {
  const directory = mkdtempSync(join(tmpdir(), "gantry-cid-"));
  try {
    const file = join(directory, "cid");
    writeFileSync(file, "");
    const taken = await create(`--cidfile ${file}`);
    expect([taken.status, taken.err]).toEqual([
      1,
      `container ID file found, make sure the other container isn't running or delete ${file}\n`,
    ]);
    const lost = await create(`--cidfile ${directory}/no/cid`);
    expect([lost.status, lost.err]).toEqual([
      1,
      `failed to create the container ID file: open ${directory}/no/cid: no such file or directory\n`,
    ]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("ps has a column for health", async () => {
  const statuses = [
    "Up 2 minutes (healthy)",
    "Up 1 second (health: starting)",
    "Up 3 hours (unhealthy)",
    "Up 2 seconds",
    "Up 2 seconds (Paused)",
    "Exited (0) 3 seconds ago",
  ];
  const engine = await new FakeEngine().start((_, response) =>
    response.end(JSON.stringify(statuses.map((Status) => ({ Id: "x", Status })))),
  );
  const { out } = await gantry(["ps", "--format", "<{{.HealthStatus}}>"], engine.variables);
  expect(out).toBe("<healthy>\n<starting>\n<unhealthy>\n<>\n<>\n<>\n");
});
