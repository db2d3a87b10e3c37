import { expect, test } from "bun:test";
import { ApiHost } from "../testing/api-host.ts";
import { bodySchema, OPERATIONS, queryOf } from "./operations.ts";

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, unknown>>>>>>;
}

async function documentOf(host: ApiHost): Promise<Document> {
  const { text } = await host.call("GET", "/v1.51/openapi.json");
  const document: Document = JSON.parse(text);
  return document;
}

test("the document has every route that is served, and no other", async () => {
  await using host = await ApiHost.start();
  const { openapi, paths } = await documentOf(host);
  expect(openapi).toBe("3.1.0");
  const told = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const served = host.routes.map(
    ({ method, pattern }) => `${method} ${pattern.replaceAll(/[:*](\w+)/g, "{$1}")}`,
  );
  expect(told.toSorted()).toEqual(served.toSorted());
});

test("every route that is served is described", async () => {
  await using host = await ApiHost.start();
  const routes = host.routes.map(({ method, pattern }) => `${method} ${pattern}`);
  expect(routes.filter((route) => !OPERATIONS.has(route))).toEqual([]);
});

test("a body is what its decoder reads, and parameters are those of path and query", async () => {
  await using host = await ApiHost.start();
  const { paths } = await documentOf(host);
  const create = paths["/containers/create"]?.["post"];
  expect(create?.["requestBody"]).toEqual({
    content: { "application/json": { schema: bodySchema("POST /containers/create") } },
  });
  expect(JSON.stringify(create?.["requestBody"])).toContain('"NanoCpus":{"type":"integer"}');
  expect(paths["/images/{name}/tag"]?.["post"]?.["parameters"]).toEqual([
    {
      name: "name",
      in: "path",
      required: true,
      schema: { type: "string" },
      description: "May contain slashes.",
      allowReserved: true,
    },
    { name: "repo", in: "query", schema: { type: "string" } },
    { name: "tag", in: "query", schema: { type: "string" } },
  ]);
});

test("every operation has a name of its own", async () => {
  await using host = await ApiHost.start();
  const { paths } = await documentOf(host);
  const ids = Object.values(paths).flatMap((methods) =>
    Object.values(methods).map((one) => one["operationId"]),
  );
  expect(new Set(ids).size).toBe(ids.length);
});

test("every decoder can be asked what it reads, and no parameter is named twice", () => {
  for (const [route, operation] of OPERATIONS) {
    if (operation.decode !== undefined) expect(bodySchema(route)?.properties).toBeDefined();
    const names = queryOf(operation).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  }
});
