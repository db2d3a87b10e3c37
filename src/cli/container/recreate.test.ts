import { afterEach, expect, test } from "bun:test";
import { cleanUp, FakeEngine, gantry } from "../testing/fake-engine.ts";

afterEach(cleanUp);

function engine(): Promise<FakeEngine> {
  return new FakeEngine().start((call, response) => {
    if (call.method === "GET") response.end('{"Config":{"Image":"registry.example/app"}}');
    else if (call.url.startsWith("/images/create")) response.end('{"status":"Status: done"}\n');
    else response.end('{"Id":"c0ffee","Warnings":["careful"]}');
  });
}

test("recreate says what is to be different", async () => {
  const { variables, calls } = await engine();
  const line =
    "recreate -e A=1 -e GONE -e HERE --env-rm B --image app:2 -l a=b=c -l d -t 3 -s INT --platform linux/arm64 web";
  expect(await gantry(line.split(" "), { ...variables, HERE: "yes" })).toEqual({
    status: 0,
    out: "c0ffee\n",
    err: "WARNING: careful\n",
  });
  expect(calls.map(({ url }) => url)).toEqual([
    "/containers/web/recreate?platform=linux%2Farm64&signal=INT&t=3",
  ]);
  expect(JSON.parse(calls[0]?.body ?? "")).toEqual({
    Image: "app:2",
    Env: ["A=1", "HERE=yes"],
    EnvRemove: ["B", "GONE"],
    Labels: { a: "b=c", d: "" },
  });
});

test("recreate --pull fetches the container's own image, or the one that it is to have", async () => {
  const fake = await engine();
  await gantry(["recreate", "--pull", "web"], fake.variables);
  await gantry(["recreate", "--pull", "--image", "app:2", "web"], fake.variables);
  expect(fake.urls()).toEqual([
    "GET /containers/web/json",
    "POST /images/create?fromImage=registry.example%2Fapp&tag=latest",
    "POST /containers/web/recreate",
    "POST /images/create?fromImage=app&tag=2",
    "POST /containers/web/recreate",
  ]);
});
