/**
 * Requests that no client sends: made from the engine's own description of its API, with values of the wrong kind, names that
 * are paths, bodies that are nearly right.
 */
import type { Schema } from "../../src/specs/engine/probe.ts";

export interface FuzzRequest {
  readonly method: string;
  readonly path: string;
  readonly body: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** May stay open without an answer, or with one that has no end. */
  readonly isStream: boolean;
}

export interface FuzzOperation {
  readonly method: string;
  readonly path: string;
  readonly query: readonly string[];
  readonly body: Schema | undefined;
}

/** What would leave the machine, or write where a path of chance leads. */
const LEFT_OUT =
  /^(?:POST \/images\/(?:create|\{name\}\/push|\{name\}\/mount|unmount)|\w+ \/distribution|POST \/auth|GET \/images\/search)/;
const STREAMS =
  /^(?:GET \/events|GET \/containers\/\{id\}\/(?:logs|stats)|POST .*\/(?:wait|attach|start|stop|restart))/;

interface Described {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}

/** `text`: the engine's OpenAPI document. */
export function operationsOf(text: string): readonly FuzzOperation[] {
  const document: { readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>> } =
    JSON.parse(text);
  const { paths } = document;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { parameters = [], requestBody }]) => {
      const operation = {
        method: method.toUpperCase(),
        path,
        query: parameters.filter((one) => one.in === "query").map(({ name }) => name),
        body: requestBody?.content["application/json"]?.schema,
      };
      return LEFT_OUT.test(`${operation.method} ${path}`) ? [] : [operation];
    }),
  );
}

type Random = () => number;

function one<T>(random: Random, things: readonly [T, ...T[]]): T {
  return things[Math.floor(random() * things.length)] ?? things[0];
}

const NAMES = [
  "web",
  "busybox",
  "nobody",
  "__proto__",
  "constructor",
  "..",
  "../../etc/passwd",
  "a/b",
  "/",
  ".",
  "%00",
  "%2e%2e%2f",
  "ä€😀",
  "x".repeat(5000),
  "sha256:" + "0".repeat(64),
  "0".repeat(64),
  "-",
  "'\"`$(id)",
  "\r\nX: y",
] as const;

const VALUES: readonly [unknown, ...unknown[]] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  // Written without the quotes.
  "@9007199254740993@",
  -9223372036854775808,
  "",
  "x",
  "\u0000",
  "../..",
  [],
  [null],
  [[]],
  {},
  { __proto__: 1, constructor: 2 },
  "9".repeat(400),
];

const QUERY = [
  "",
  "1",
  "-1",
  "x",
  "1e9",
  "99999999999999999999",
  "{}",
  '{"label":["a"]}',
  '{"until":["x"]}',
  "%ff",
  "\u0000",
  "all",
] as const;
const VERSIONS = [
  "",
  "/v1.51",
  "/v1.24",
  "/v1.40",
  "/v1.23",
  "/v1.52",
  "/v2.0",
  "/v0",
  "/v1.99999999999",
  "/v1.51/v1.51",
  "/v1",
  "/v1.2.3",
] as const;
const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] as const;

export function randomRequest(random: Random, operations: readonly FuzzOperation[]): FuzzRequest {
  const operation = operations[Math.floor(random() * operations.length)];
  if (operation === undefined) throw new Error("the document describes nothing");
  const version = random() < 0.7 ? "" : one(random, VERSIONS);
  const path = operation.path.replaceAll(/\{\w+\}/g, () => {
    const name = one(random, NAMES);
    return random() < 0.9 ? encodeURIComponent(name) : name.replaceAll(/[^\x21-\x7e]/g, "%20");
  });
  const query = operation.query
    .filter(() => random() < 0.4)
    .map((name) => `${name}=${encodeURIComponent(one(random, QUERY))}`);
  const body = operation.body === undefined ? strayBody(random) : randomBody(random, operation.body);
  return {
    method: random() < 0.95 ? operation.method : one(random, METHODS),
    path: `${version}${path}${query.length === 0 ? "" : `?${query.join("&")}`}`,
    body,
    headers:
      body === undefined ? {} : { "Content-Type": random() < 0.95 ? "application/json" : "text/plain" },
    isStream: STREAMS.test(`${operation.method} ${operation.path}`),
  };
}

function strayBody(random: Random): string | undefined {
  return random() < 0.05 ? JSON.stringify(one(random, VALUES)) : undefined;
}

function randomBody(random: Random, schema: Schema): string {
  const dice = random();
  if (dice < 0.02) return "";
  if (dice < 0.04) return '{"Image":"busybox"';
  if (dice < 0.06) return `${"[".repeat(5000)}${"]".repeat(5000)}`;
  if (dice < 0.08) return '{"Image":"busybox","iMAGE":"other"}';
  const text = JSON.stringify(randomValue(random, schema, 0)).replaceAll(/"@(\d+)@"/g, "$1");
  return dice < 0.12 ? text.slice(0, Math.floor(random() * text.length)) : text;
}

/** Mostly what the schema asks for, so that a wrong value is met by whoever reads it, and not by the first check. */
function randomValue(random: Random, schema: Schema, depth: number): unknown {
  if (random() < 0.04 || depth > 6) return one(random, VALUES);
  const { type, oneOf } = schema;
  if (oneOf?.[0] !== undefined)
    return randomValue(random, oneOf[Math.floor(random() * oneOf.length)] ?? oneOf[0], depth);
  switch (type) {
    case "boolean":
      return random() < 0.5;
    case "integer":
      return one(random, [0, 1, 2, 100, 6 << 20, -1]);
    case "string":
      return schema.enum !== undefined && random() < 0.9
        ? schema.enum[Math.floor(random() * schema.enum.length)]
        : one(random, ["", "busybox", "web", "none", "bridge", ...NAMES]);
    case "array":
      return Array.from({ length: Math.floor(random() * 3) }, () =>
        randomValue(random, schema.items ?? {}, depth + 1),
      );
    case "object":
      return Object.fromEntries(
        schema.properties === undefined
          ? [[one(random, NAMES), randomValue(random, schema.additionalProperties ?? {}, depth + 1)]]
          : Object.entries(schema.properties)
              // A container that would be started with all of them is refused for one of them: few come far.
              .filter(([key]) => random() < (depth === 0 ? 0.3 : 0.15) || key === "Image" || key === "Name")
              .map(([key, inner]) => [
                random() < 0.97 ? key : key.toUpperCase(),
                key === "Image" ? "busybox" : randomValue(random, inner, depth + 1),
              ]),
      );
    case undefined:
      break;
  }
  return one(random, VALUES);
}
