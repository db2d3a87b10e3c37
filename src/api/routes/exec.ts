/** Execs: /containers/{id}/exec and /exec/{id}. */
import {
  announceExecDetach,
  createExec,
  type ExecDeps,
  ExecFailure,
  findExec,
  findExecByPrefix,
  inspectExec,
  listExecs,
  resizeExec,
  startExec,
} from "../../engine/containers/exec.ts";
import { killExec } from "../../engine/containers/kill-exec.ts";
import { checkSize } from "../../engine/containers/resize.ts";
import { fail, messageOf } from "../../base/errors.ts";
import { decodeExecCreate, decodeExecStart } from "../../specs/engine/exec.decode.ts";
import type { Call } from "../call.ts";
import type { Route } from "../router.ts";
import { DetachScanner, parseDetachKeys } from "../streams/detach-keys.ts";
import { closeClient, pump } from "../streams/pump.ts";
import { streamTypeOf } from "../streams/stream-type.ts";

export function execRoutes(deps: ExecDeps): readonly Route[] {
  return [
    {
      method: "POST",
      pattern: "/containers/:id/exec",
      handler: async (call) => {
        const container = deps.store.find(call.param(0));
        const config = decodeExecCreate(await call.json());
        parseDetachKeys(config.DetachKeys);
        call.reply.json(201, { Id: createExec(deps, container, config).id });
      },
    },
    {
      method: "GET",
      pattern: "/containers/:id/execs",
      handler: (call) => {
        const container = deps.store.find(call.param(0));
        return Promise.resolve(call.reply.json(200, listExecs(container, call.query.bool("all"))));
      },
    },
    {
      method: "POST",
      pattern: "/exec/:id/kill",
      handler: async (call) => {
        const { container, exec } = findExecByPrefix(deps.store, call.param(0));
        await killExec(container, exec, call.query.str("signal"));
        call.reply.empty(204);
      },
    },
    { method: "POST", pattern: "/exec/:id/start", handler: (call) => startRoute(deps, call) },
    {
      method: "POST",
      pattern: "/exec/:id/resize",
      handler: async (call) => {
        const size = checkSize(call.query.int("h"), call.query.int("w"));
        const { container, exec } = findExec(deps.store, call.param(0));
        await resizeExec(container, exec, size);
        call.reply.empty(200);
      },
    },
    {
      method: "GET",
      pattern: "/exec/:id/json",
      handler: (call) => call.reply.json(200, inspectExec(findExec(deps.store, call.param(0)).exec)),
    },
  ];
}

async function startRoute(deps: ExecDeps, call: Call): Promise<void> {
  const { container, exec } = findExec(deps.store, call.param(0));
  const request = decodeExecStart(await call.json("optional"));
  if (request.Detach) {
    try {
      await startExec(deps, container, exec, request);
    } catch (error) {
      throw error instanceof ExecFailure ? fail("invalid_argument", error.message, error) : error;
    }
    call.reply.empty(200);
    return;
  }
  const { Tty, DetachKeys } = exec.config;
  // First of all, as Docker does: some clients (docker-py) lose output that comes together with the head of the answer.
  const client = call.reply.hijack(streamTypeOf(call, Tty));
  let running: Awaited<ReturnType<typeof startExec>>;
  try {
    running = await startExec(deps, container, exec, request);
  } catch (error) {
    // Clients show nothing of an answer that is no stream, so what is wrong is said inside one, as by Docker.
    const text = `${messageOf(error)}\r\n`;
    client.output.write(Tty ? text : framed(text));
    closeClient(client);
    return;
  }
  if (running.stream === undefined) {
    closeClient(client);
    return;
  }
  const detach = Tty ? new DetachScanner(parseDetachKeys(DetachKeys)) : undefined;
  const how = await pump(client, running.stream, { stdin: exec.config.AttachStdin, detach });
  if (how === "detached") announceExecDetach(deps, container, exec);
}

/** One frame of standard output. */
function framed(text: string): Buffer {
  const body = Buffer.from(text);
  const head = Buffer.alloc(8);
  head[0] = 1;
  head.writeUInt32BE(body.length, 4);
  return Buffer.concat([head, body]);
}
