import { afterEach, expect, test } from "bun:test";
import { cleanUp, fail, FakeEngine, gantry } from "../testing/fake-engine.ts";

afterEach(cleanUp);

/** Answers as if the debugger's container could not be attached to, which is the end of the command. */
function engine(target: object, tools: object = { Cmd: ["sh"] }): Promise<FakeEngine> {
  return new FakeEngine().start((call, response) => {
    if (call.url === "/images/busybox/json") response.end(JSON.stringify({ Config: tools }));
    else if (call.url.startsWith("/images/")) fail(response, 404, "No such image");
    else if (call.method === "GET") response.end(JSON.stringify({ Id: "c0ffee", Name: "/web", ...target }));
    else if (call.url.startsWith("/containers/create")) response.end('{"Id":"dead"}');
    else fail(response, 500, "enough");
  });
}

function created(fake: FakeEngine): unknown {
  return JSON.parse(fake.calls.find(({ url }) => url.startsWith("/containers/create"))?.body ?? "");
}

test("debug runs a container with the processes and the network of another", async () => {
  const fake = await engine({ State: { Running: true, Pid: 77 }, HostConfig: { PidMode: "" } });
  const line = "debug --image tools -e A=1 -u 7 web ls -l /proc/1/root";
  expect((await gantry(line.split(" "), fake.variables)).status).toBe(125);
  expect(created(fake)).toMatchObject({
    Image: "tools",
    Cmd: ["ls", "-l", "/proc/1/root"],
    Env: ["ROOT=/proc/1/root", "A=1"],
    User: "7",
    Tty: false,
    OpenStdin: true,
    Labels: { "gantry.debug": "c0ffee" },
    HostConfig: {
      AutoRemove: true,
      PidMode: "container:c0ffee",
      NetworkMode: "container:c0ffee",
      CapAdd: ["CAP_SYS_PTRACE"],
      Privileged: false,
    },
  });
});

test("debug beside the host's processes may not look into them", async () => {
  const fake = await engine({ State: { Running: true, Pid: 77 }, HostConfig: { PidMode: "host" } });
  await gantry(["debug", "web"], fake.variables);
  expect(created(fake)).toMatchObject({
    Image: "busybox",
    Cmd: null,
    Env: ["ROOT=/proc/77/root"],
    HostConfig: { CapAdd: null },
  });
});

test("debug asks an image that has no command for a shell", async () => {
  const target = { State: { Running: true, Pid: 77 }, HostConfig: { PidMode: "" } };
  for (const [line, tools, command] of [
    ["debug web", {}, ["sh"]],
    ["debug web", { Cmd: null, Entrypoint: null }, ["sh"]],
    ["debug web", { Entrypoint: ["tini"] }, null],
    ["debug web ls", {}, ["ls"]],
    ["debug --image not-here web", {}, null],
  ] as const) {
    const fake = await engine(target, tools);
    await gantry(line.split(" "), fake.variables);
    expect({ line, tools, body: created(fake) }).toMatchObject({ line, tools, body: { Cmd: command } });
  }
});

test("debug refuses what has no processes of its own", async () => {
  const stopped = await engine({ State: { Running: false } });
  expect(await gantry(["debug", "web"], stopped.variables)).toMatchObject({
    status: 125,
    err: "container web is not running: there are no processes to join\n",
  });
  const shared = await engine({
    State: { Running: true },
    HostConfig: { PidMode: "container:0123456789abcdef" },
  });
  expect(await gantry(["debug", "web"], shared.variables)).toMatchObject({
    status: 125,
    err: "container web has the processes of container 0123456789ab: debug that one\n",
  });
  expect([...stopped.urls(), ...shared.urls()]).toEqual([
    "GET /containers/web/json",
    "GET /containers/web/json",
  ]);
});
