import { fail } from "../base/errors.ts";
import type { HttpBody } from "./http.ts";

const MAX_LINE_BYTES = 16 * 1024 * 1024;

/** The lines of a body, without their ends; a last one without an end counts too. */
export async function* textLines(body: HttpBody): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  let bytes = 0;
  for (let chunk = await body.read(); chunk !== undefined; chunk = await body.read()) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = chunk.subarray(start, end);
      start = end + 1;
      yield rest.length === 0 ? line.toString() : Buffer.concat([...rest, line]).toString();
      rest = [];
      bytes = 0;
    }
    if (start === chunk.length) continue;
    rest.push(chunk.subarray(start));
    bytes += chunk.length - start;
    if (bytes > MAX_LINE_BYTES) throw fail("internal", "a line of the engine's answer is too long");
  }
  if (rest.length > 0) yield Buffer.concat(rest).toString();
}

/** A stream of JSON documents, one a line (events, progress). */
export async function* jsonLines(body: HttpBody): AsyncGenerator {
  for await (const line of textLines(body)) {
    if (line.trim() === "") continue;
    let document: unknown;
    try {
      document = JSON.parse(line);
    } catch (cause) {
      throw fail("internal", `a line of the engine's answer is not JSON: ${line.slice(0, 80)}`, cause);
    }
    yield document;
  }
}
