import { afterEach, expect, test } from "bun:test";
import { cleanUp, FakeEngine, gantry } from "../testing/fake-engine.ts";

afterEach(cleanUp);

test("version answers to the names that scripts use, whatever the documents call them", async () => {
  const { variables } = await new FakeEngine().start((_, response) =>
    response.end('{"Version":"1","ApiVersion":"1.51","Os":"linux"}'),
  );
  const format =
    "{{.Client.APIVersion}} {{.Server.APIVersion}} {{.Server.ApiVersion}} {{.Server.Experimental}}";
  expect(await gantry(["version", "--format", format], variables)).toEqual({
    status: 0,
    out: "1.51 1.51 1.51 false\n",
    err: "",
  });
  const { out } = await gantry(["version", "--format", "json"], variables);
  expect(JSON.parse(out)).toMatchObject({
    Client: { ApiVersion: "1.51", GoVersion: expect.stringMatching(/^(bun|node)\d/) },
    Server: { ApiVersion: "1.51" },
  });
  expect(out).not.toContain("Experimental");
});

test("ps has labels in the order of their names, and ID by either name", async () => {
  const { variables } = await new FakeEngine().start((call, response) =>
    response.end(
      call.url.endsWith("/json?all=1") || call.url === "/containers/json"
        ? '[{"Id":"c0ffee","Labels":{"b":"2","a":"1"}}]'
        : '{"Id":"c0ffee"}',
    ),
  );
  expect(await gantry(["ps", "--format", "{{.ID}} {{.Labels}}"], variables)).toMatchObject({
    out: "c0ffee a=1,b=2\n",
  });
  expect(await gantry(["container", "inspect", "-f", "{{.ID}} {{.Id}}", "x"], variables)).toMatchObject({
    out: "c0ffee c0ffee\n",
  });
});
