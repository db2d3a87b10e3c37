import { afterEach, expect, test } from "bun:test";
import { cleanUp, fail, FakeEngine, gantry } from "../testing/fake-engine.ts";

afterEach(cleanUp);

const exec = (ID: string, more: object): object => ({
  ID,
  Running: true,
  ExitCode: null,
  Pid: 0,
  ProcessConfig: { entrypoint: "sh", arguments: ["-c", "echo \u001b[2J and more"], user: "me" },
  ...more,
});

function engine(): Promise<FakeEngine> {
  return new FakeEngine().start((call, response) => {
    if (call.url === "/containers/json")
      response.end('[{"Id":"1","Names":["/web"]},{"Id":"2","Names":["/gone"]}]');
    else if (call.url.startsWith("/containers/web/execs"))
      response.end(
        JSON.stringify([
          exec("c0ffee012345678", { Pid: 7 }),
          exec("dead", { Running: false }),
          exec("beef", { Running: false, ExitCode: 3 }),
        ]),
      );
    else if (call.url.startsWith("/exec/c0ffee/kill")) response.writeHead(204).end();
    else fail(response, 404, "No such container: gone");
  });
}

test("execs ls shows those of all containers that run", async () => {
  const { variables } = await engine();
  expect(await gantry(["execs", "ls"], variables)).toEqual({
    status: 0,
    out: `EXEC ID        CONTAINER   COMMAND                     PID       STATUS
c0ffee012345   web         "sh -c echo \\x1b[2J and…"   7         Running
dead           web         "sh -c echo \\x1b[2J and…"             Created
beef           web         "sh -c echo \\x1b[2J and…"             Exited (3)
`,
    err: "",
  });
  expect(await gantry(["execs", "ls", "-q", "--no-trunc", "web"], variables)).toMatchObject({
    out: "c0ffee012345678\ndead\nbeef\n",
  });
  expect(await gantry(["execs", "ls", "--format", "{{.User}}", "web"], variables)).toMatchObject({
    out: "me\nme\nme\n",
  });
});

test("execs ls of a container that is not there fails", async () => {
  const { variables } = await engine();
  expect(await gantry(["execs", "ls", "gone"], variables)).toEqual({
    status: 1,
    out: "",
    err: "Error response from daemon: No such container: gone\n",
  });
});

test("execs kill signals each and goes on after a failure", async () => {
  const fake = await engine();
  expect(await gantry(["execs", "kill", "-s", "HUP", "x", "c0ffee"], fake.variables)).toEqual({
    status: 1,
    out: "c0ffee\n",
    err: "Error response from daemon: No such container: gone\n",
  });
  expect(fake.urls().sort()).toEqual(["POST /exec/c0ffee/kill?signal=HUP", "POST /exec/x/kill?signal=HUP"]);
});
