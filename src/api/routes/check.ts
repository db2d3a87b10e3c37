/** POST /system/check, which is not Docker's: docs/storage.md describes it. */
import { messageOf } from "../../base/errors.ts";
import { checkStore } from "../../engine/check/check.ts";
import type { CheckDeps } from "../../engine/check/finding.ts";
import type { CheckMessage } from "../../specs/engine/check.ts";
import type { Call } from "../call.ts";
import type { Route } from "../router.ts";
import { writeAll } from "../streams/write-all.ts";

export function checkRoutes(deps: CheckDeps): readonly Route[] {
  return [{ method: "POST", pattern: "/system/check", handler: (call) => checkRoute(deps, call) }];
}

async function checkRoute(deps: CheckDeps, { query, reply, signal }: Call): Promise<void> {
  const request = { repair: query.bool("repair"), deep: query.bool("deep") };
  const body = reply.stream(200, { "Content-Type": "application/json" });
  await writeAll(body, lines(checkStore(deps, request, signal)));
  body.end();
}

/** The status has been sent by the time that something fails: then the last line says so. */
async function* lines(messages: AsyncIterable<CheckMessage>): AsyncGenerator<string> {
  try {
    for await (const message of messages) yield `${JSON.stringify(message)}\n`;
  } catch (error) {
    const failure: CheckMessage = { error: messageOf(error) };
    yield `${JSON.stringify(failure)}\n`;
  }
}
