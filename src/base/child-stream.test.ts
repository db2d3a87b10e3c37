import { expect, test } from "bun:test";
import type { ByteStream } from "./byte-stream.ts";
import { spawnStream } from "./child-stream.ts";
import { messageOf } from "./errors.ts";

async function readAll(stream: ByteStream): Promise<string> {
  let text = "";
  for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read())
    text += String(chunk);
  return text;
}

test("bytes go both ways, and each direction ends by itself", async () => {
  const stream = spawnStream("sh", ["-c", "wc -c; echo after"], "");
  await stream.write(Buffer.alloc(200_000));
  await stream.endWrite();
  expect((await readAll(stream)).replaceAll(" ", "")).toBe("200000\nafter\n");
});

test("a program that fails is told with what it said", async () => {
  const stream = spawnStream("sh", ["-c", "echo no route >&2; exit 255"], "look there");
  expect(await readAll(stream).catch(messageOf)).toBe(
    "command [sh -c echo no route >&2; exit 255] has exited with exit status 255, look there: stderr=no route",
  );
  expect(await stream.write(Buffer.from("x")).catch(messageOf)).toContain("no route");
});

test("one that is not there is told, and one that is closed is ended", async () => {
  expect(await readAll(spawnStream("/nonexistent/ssh", [], "")).catch(messageOf)).toContain(
    'exec: "/nonexistent/ssh"',
  );
  const stream = spawnStream("sleep", ["1000"], "");
  stream.close();
  expect(await stream.read()).toBeUndefined();
});
