import { expect, test } from "bun:test";
import { rejection } from "../../base/testing/rejection.ts";
import { client, never } from "./testing/client.ts";
import { answer, collect } from "./testing/scripted-registry.ts";
import { openServers } from "./testing/open-servers.ts";

const { serve } = openServers();

const fetched = (url: string) => client().download(new URL(url), never);

test("a file comes by its URL and redirects, and its user goes to its own server alone", async () => {
  const other = await serve((_request, response) => answer(response, 200, {}, Buffer.from("elsewhere")));
  const server = await serve(({ path }, response) => {
    if (path === "/moved") answer(response, 302, { Location: `${other.origin}/x` });
    else if (path === "/file") answer(response, 200, {}, Buffer.from("content"));
    else answer(response, 302, { Location: path });
  });
  const { sizeBytes, bytes } = await fetched(`${server.origin.replace("//", "//ann:pw@")}/file?a=b`);
  expect([sizeBytes, (await collect(bytes)).toString()]).toEqual([7, "content"]);
  const moved = await fetched(`${server.origin.replace("//", "//ann:pw@")}/moved`);
  expect((await collect(moved.bytes)).toString()).toBe("elsewhere");
  expect(server.seen.map(({ headers }) => headers.authorization)).toEqual(
    Array(2).fill(`Basic ${Buffer.from("ann:pw").toString("base64")}`),
  );
  expect(other.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  expect((await rejection(fetched(`${server.origin}/round`))).message).toContain("redirects");
});

test("what a server refuses is told in Docker's words", async () => {
  const server = await serve(({ path }, response) => {
    answer(response, Number(path.slice(1)), {}, Buffer.from(" nothing\u001b[31m here\n"));
  });
  for (const [status, category] of [
    [400, "invalid_argument"],
    [401, "unauthorized"],
    [403, "forbidden"],
    [404, "not_found"],
    [500, "internal"],
  ] as const) {
    const error = await rejection(fetched(`${server.origin}/${status}`));
    expect(error).toMatchObject({ category });
    expect(error.message).toStartWith(`failed to GET ${server.origin}/${status} with status ${status} `);
    expect(error.message).toEndWith(": nothing [31m here");
  }
  expect((await rejection(fetched("ftp://a/b"))).message).toBe(
    'Get "ftp://a/b": unsupported protocol scheme "ftp"',
  );
});

test("a server that says nothing, or stops in the middle, is given up", async () => {
  const silent = await serve(() => {});
  expect((await rejection(fetched(`${silent.origin}/x`))).message).toContain("timeout awaiting");
  const stuck = await serve((_request, response) => {
    response.writeHead(200, { "Content-Length": "100" });
    response.write("begin");
  });
  const { bytes } = await fetched(`${stuck.origin}/x`);
  expect((await rejection(collect(bytes))).message).toContain("stalled");
});
