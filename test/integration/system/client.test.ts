import { expect, test } from "bun:test";
import { GANTRY } from "../../support/engine.ts";
import { must, run } from "../../support/run.ts";
import { describeWith } from "../../support/requires.ts";
import { engineSuite } from "../../support/suite.ts";

describeWith("without an engine", ["root"], () => {
  test("an ordinary user is told what is missing", async () => {
    const done = await run(
      ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", GANTRY, "run", "busybox"],
      { env: { HOME: "/" } },
    );
    expect(done.code).not.toBe(0);
    expect(done.stderr).toMatch(/root|sudo|permission/);
    expect(done.stderr.trim().split("\n").length).toBeLessThanOrEqual(3);
  });

  test("a host that was named is not replaced by a new engine", async () => {
    const done = await run([GANTRY, "--host", "unix:///tmp/no-such-gantry.sock", "ps"]);
    expect(done.code).toBe(1);
    expect(done.stderr).toContain("unix:///tmp/no-such-gantry.sock");
  });

  test("--help and --version need no engine", async () => {
    expect(await must([GANTRY, "--version"])).toMatch(/^Gantry version \d+\.\d+\.\d+/);
    expect(await must([GANTRY, "run", "--help"])).toContain("--read-only");
    expect(await must([GANTRY, "--help"])).toContain("Usage:");
  });

  test("an unknown command suggests the nearest", async () => {
    const done = await run([GANTRY, "rnu"]);
    expect(done.code).toBe(1);
    expect(done.stderr).toContain("run");
  });
});

engineSuite("the API", {}, (engine) => {
  test("answers versions from 1.24 to 1.51 and refuses others in Docker's words", async () => {
    for (const version of ["v1.24", "v1.40", "v1.51"])
      expect((await engine().api("GET", `/${version}/version`)).status).toBe(200);
    const old = await engine().api("GET", "/v1.23/version");
    expect([old.status, old.body]).toEqual([
      400,
      expect.stringContaining("client version 1.23 is too old. Minimum supported API version is 1.24"),
    ]);
    const young = await engine().api("GET", "/v1.52/version");
    expect([young.status, young.body]).toEqual([
      400,
      expect.stringContaining("client version 1.52 is too new. Maximum supported API version is 1.51"),
    ]);
  });

  test("ping carries what clients negotiate by", async () => {
    const answer = await engine().api("GET", "/_ping");
    expect(answer.body).toBe("OK");
    expect(answer.headers["api-version"]).toBe("1.51");
    expect(answer.headers["ostype"]).toBe("linux");
  });

  test("unknown routes, ids and bodies have Docker's status and shape", async () => {
    expect((await engine().api("GET", "/nowhere")).status).toBe(404);
    const absent = await engine().api("GET", "/containers/absent/json");
    expect([absent.status, JSON.parse(absent.body)]).toEqual([404, { message: "No such container: absent" }]);
    expect((await engine().api("POST", "/containers/create", { Image: "busybox", Cmd: 7 })).status).toBe(400);
    expect((await engine().api("POST", "/containers/create", { Image: "absent", Cmd: ["x"] })).status).toBe(
      404,
    );
    expect(
      (
        await engine().api("POST", "/containers/create", {
          Image: "busybox",
          HostConfig: { NetworkMode: "none", Memory: 1 },
        })
      ).status,
    ).toBe(400);
  });

  test("create, start, wait, logs and remove with plain requests", async () => {
    const created = await engine().json("POST", "/v1.51/containers/create?name=plain", {
      Image: "busybox",
      Cmd: ["echo", "hi"],
      HostConfig: { NetworkMode: "none" },
    });
    expect(created).toEqual({ Id: expect.stringMatching(/^[0-9a-f]{64}$/), Warnings: [] });
    expect((await engine().api("POST", "/v1.51/containers/plain/start")).status).toBe(204);
    expect(await engine().json("POST", "/v1.51/containers/plain/wait")).toEqual({ StatusCode: 0 });
    expect((await engine().api("POST", "/v1.51/containers/plain/stop")).status).toBe(304);
    expect((await engine().api("GET", "/v1.51/containers/plain/logs?stdout=1")).body).toBe(
      "\x01\0\0\0\0\0\0\x03hi\n",
    );
    expect((await engine().api("GET", "/v1.51/containers/plain/logs")).status).toBe(400);
    expect((await engine().api("DELETE", "/v1.51/containers/plain")).status).toBe(204);
  });

  test("names that are properties of every object are ordinary names", async () => {
    const labels = { constructor: "a", toString: "b", hasOwnProperty: "c" };
    await engine().json("POST", "/containers/create?name=constructor", {
      Image: "busybox",
      Labels: labels,
      HostConfig: { NetworkMode: "none" },
    });
    const inspected = await engine().ok(["inspect", "-f", "{{json .Config.Labels}}", "constructor"]);
    expect(JSON.parse(inspected)).toEqual(labels);
  });
});
