/**
 * The API as an OpenAPI 3.1 document, made from the routes that are served, the decoders of their bodies, and operations.ts. It
 * is made when somebody asks for it.
 */
import { API_VERSION } from "../version.ts";
import type { Route } from "../router.ts";
import { bodySchema, type Operation, OPERATIONS, queryOf } from "./operations.ts";

type Json = Readonly<Record<string, unknown>>;

export function openapiRoute(version: string, routes: () => readonly Route[]): Route {
  return {
    method: "GET",
    pattern: "/openapi.json",
    handler: ({ reply }) => reply.json(200, openapiDocument(version, routes())),
  };
}

export function openapiDocument(version: string, routes: readonly Route[]): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const { method, pattern } of routes) {
    const path = (paths[pathOf(pattern)] ??= {});
    path[method.toLowerCase()] = operationOf(method, pattern);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Gantry Engine API",
      version: API_VERSION,
      description: `Of gantry ${version}. Every path is served below /v1.24 to /v${API_VERSION}, too.`,
    },
    paths,
    components: {
      schemas: {
        Error: { type: "object", required: ["message"], properties: { message: { type: "string" } } },
      },
    },
  };
}

/** "/images/*name/json" → "/images/{name}/json". */
function pathOf(pattern: string): string {
  return pattern.replaceAll(/[:*](\w+)/g, "{$1}");
}

function operationOf(method: string, pattern: string): Json {
  const route = `${method} ${pattern}`;
  const operation = OPERATIONS.get(route);
  const parameters = [
    ...pathParameters(pattern),
    ...(operation === undefined ? [] : queryParameters(operation)),
  ];
  const body = operation === undefined ? undefined : requestBody(route, operation);
  return {
    operationId: `${method} ${pattern}`.toLowerCase().replaceAll(/[^a-z0-9]+/g, "_"),
    ...(operation === undefined ? {} : { summary: operation.summary }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: body }),
    responses: responses(operation),
  };
}

function pathParameters(pattern: string): Json[] {
  return [...pattern.matchAll(/([:*])(\w+)/g)].map(([, kind, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
    ...(kind === "*" ? { description: "May contain slashes.", allowReserved: true } : {}),
  }));
}

function queryParameters(operation: Operation): Json[] {
  return queryOf(operation).map(({ name, type, isList }) => ({
    name,
    in: "query",
    schema: isList ? { type: "array", items: { type } } : { type },
    ...(name === "filters" ? { description: 'JSON: {"name":["value"]}.' } : {}),
  }));
}

function requestBody(route: string, { takesArchive = false }: Operation): Json | undefined {
  const schema = bodySchema(route);
  if (schema !== undefined) return { content: { "application/json": { schema } } };
  return takesArchive ? { content: { "application/x-tar": { schema: {} } } } : undefined;
}

function responses(operation: Operation | undefined): Json {
  const { status = 200, type = "application/json" } = operation ?? {};
  const content = status === 204 || status === 101 ? {} : { content: { [type]: { schema: {} } } };
  return {
    // Clients that do not ask for an upgrade get the stream as a body.
    ...(status === 101 ? { 200: { description: "The stream", content: { [type]: { schema: {} } } } } : {}),
    [status]: { description: status === 101 ? "The connection becomes the stream" : "Done", ...content },
    default: {
      description: "What went wrong",
      content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
    },
  };
}
