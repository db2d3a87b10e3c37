import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { busyboxRoot } from "../../support/images.ts";
import { engineSuite } from "../../support/suite.ts";
import { until } from "../../support/until.ts";

engineSuite("disk usage and prune", { needs: ["docker-cli"] }, (engine) => {
  const gantry = (...args: string[]): Promise<string> => engine().ok(args);
  const docker = async (...args: string[]): Promise<string> => {
    const done = await engine().docker(args);
    if (done.code !== 0) throw new Error(`docker ${args.join(" ")}: ${done.code}\n${done.stderr}`);
    return done.stdout.trimEnd();
  };
  /** Ages differ from one moment to the next, and columns are as wide as they need to be. */
  const steady = (text: string): string =>
    text
      .replaceAll(/\d+ (second|minute)s?( ago)?|Less than a second( ago)?|About a minute( ago)?/g, "T")
      .replaceAll(/ {2,}/g, "  ");
  const forms = [
    ["system", "df"],
    ["system", "df", "-v"],
    ["system", "df", "--format", "{{.Type}}={{.TotalCount}}/{{.Active}} {{.Size}} {{.Reclaimable}}"],
    ["system", "df", "--format", "json"],
    ["system", "df", "--format", "raw"],
    ["system", "df", "--format", "table {{.Type}}\t{{.Reclaimable}}"],
    ["system", "df", "-v", "--format", "{{range .Images}}{{.ID}} {{.UniqueSize}};{{end}}"],
    ["system", "df", "-v", "--format", "{{range .Containers}}{{.Names}} {{.Size}};{{end}}"],
  ];

  test("df shows what the stock client shows of the same engine, in every format", async () => {
    await gantry("import", await busyboxRoot(), "other:1");
    await gantry("tag", "other:1", "other:2");
    await gantry("create", "--name", "made", "--network", "none", "busybox", "sleep", "100");
    await gantry(
      "run",
      "-d",
      "--name",
      "up",
      "--network",
      "none",
      "busybox",
      "sh",
      "-c",
      "echo x > /f; sleep 100",
    );
    for (const form of forms)
      expect(steady((await gantry(...form)).trimEnd())).toBe(steady(await docker(...form)));
    expect(await gantry("system", "df")).toMatch(/^Images +2 +1 /m);
    expect(await gantry("system", "df")).toMatch(/^Containers +2 +1 +2B +0B \(0%\)/m);
    await gantry("rm", "-f", "made", "up");
    await gantry("rmi", "other:1", "other:2");
  });

  test("df answers for the types that were asked for, and refuses others", async () => {
    const { body } = await engine().api("GET", "/v1.51/system/df?type=image");
    expect(JSON.parse(body)).toMatchObject({ Containers: null, Volumes: null, BuildCache: null });
    const wrong = await engine().api("GET", "/v1.51/system/df?type=nonsense");
    expect([wrong.status, JSON.parse(wrong.body)]).toEqual([
      400,
      { message: "unknown object type: nonsense" },
    ]);
  });

  test("a dry run of system prune tells what goes, and the real one takes just that", async () => {
    const root = await busyboxRoot();
    await gantry("import", "-c", 'CMD ["true"]', root, "used:1");
    await gantry("run", "--name", "stopped", "--network", "none", "used:1");
    const plan = await gantry("system", "prune", "-a", "--dry-run");
    expect(await gantry("ps", "-aq")).not.toBe("");
    expect(plan).toContain("Containers to be deleted:");
    expect(plan).toContain("untagged: used:1");
    expect(plan).toContain("untagged: busybox:latest");
    const real = await gantry("system", "prune", "-a", "-f", "--filter", "label!=none");
    const lines = (text: string): readonly string[] =>
      text
        .replace("Total space to be reclaimed", "Total reclaimed space")
        .split("\n")
        .map((line) => line.replace(/^(.*) to be deleted:$/, "Deleted $1:"))
        .toSorted();
    expect(lines(real)).toEqual(lines(plan));
    expect(await gantry("images", "-q")).toBe("");
  });

  test("the stock client's prunes work", async () => {
    await gantry("import", await busyboxRoot());
    expect(await docker("image", "prune", "-f")).toMatch(
      /^Deleted Images:\ndeleted: sha256:\S+\ndeleted: sha256:\S+\n\nTotal reclaimed space: /,
    );
    expect(await docker("system", "prune", "-af", "--volumes")).toBe("Total reclaimed space: 0B");
  });
});

engineSuite("images that go by policy", { host: ":", flags: ["--config-file", configFile()] }, (engine) => {
  test("an image that nobody uses goes at the next interval; one of a container and a pinned one stay", async () => {
    const root = await busyboxRoot();
    await engine().ok(["create", "--name", "user", "--network", "none", "busybox", "true"]);
    await engine().ok(["import", "-c", "LABEL gantry.pin=true", root, "pinned:1"]);
    await engine().ok(["import", "-c", "CMD x", root, "idle:1"]);
    const names = async (): Promise<string> =>
      await engine().ok(["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    await until("the idle image to go", async () => !(await names()).includes("idle:1"), 25_000);
    expect((await names()).trim().split("\n").toSorted()).toEqual(["busybox:latest", "pinned:1"]);
    await engine().ok(["rm", "user"]);
  }, 30_000);
});

function configFile(): string {
  const path = join(process.env["GANTRY_TEST_DIR"] ?? "/tmp", `gc-policy-${process.pid}.json`);
  const images = { "high-size": "1", "low-size": "0", "min-age": "0s", "keep-last": 0 };
  writeFileSync(path, JSON.stringify({ gc: { interval: "10s", images } }));
  return path;
}
