/** /containers: decode, call the engine's verb, answer. */
import { fail, isCategory } from "../../base/errors.ts";
import {
  type AttachDeps,
  announceDetach,
  attach,
  checkAttachable,
  notePassing,
} from "../../engine/containers/attach.ts";
import type { Container } from "../../engine/containers/container.ts";
import { type CreateDeps, create } from "../../engine/containers/create.ts";
import { type InspectDeps, inspect } from "../../engine/containers/inspect.ts";
import { type ListDeps, list } from "../../engine/containers/list.ts";
import { LIST_FILTERS } from "../../engine/containers/list-filters.ts";
import { type ClearLogsDeps, clearLogs } from "../../engine/containers/clear-logs.ts";
import { type LogsDeps, logs, parseLogTime, parseTail } from "../../engine/containers/logs.ts";
import { kill } from "../../engine/containers/kill.ts";
import { type PauseDeps, pause, unpause } from "../../engine/containers/pause.ts";
import { PRUNE_FILTERS, prune } from "../../engine/containers/prune.ts";
import { recreate } from "../../engine/containers/recreate.ts";
import { type RenameDeps, rename } from "../../engine/containers/rename.ts";
import { checkSize, resize } from "../../engine/containers/resize.ts";
import { removeLink } from "../../engine/networks/links.ts";
import { restart, type StopDeps, type StopRequest, stopAsAsked } from "../../engine/containers/stop.ts";
import { type TopDeps, top } from "../../engine/containers/top.ts";
import { type RemoveDeps, remove } from "../../engine/containers/remove.ts";
import { type StartDeps, start } from "../../engine/containers/start.ts";
import type { ContainerStore } from "../../engine/containers/store.ts";
import { update, type UpdateDeps } from "../../engine/containers/update.ts";
import { outputPassed, parseWaitCondition, wait } from "../../engine/containers/wait.ts";
import { explain, type ExplainDeps } from "../../engine/networks/explain.ts";
import { decodeContainerCreate } from "../../specs/engine/container.decode.ts";
import type { ContainerSummary } from "../../specs/engine/container.ts";
import { decodeFilters } from "../../specs/engine/filters.decode.ts";
import { decodeRecreate } from "../../specs/engine/recreate.decode.ts";
import { decodeContainerUpdate } from "../../specs/engine/update.decode.ts";
import type { Call } from "../call.ts";
import { answerFor, createRequestFor } from "../compat/table.ts";
import type { Route } from "../router.ts";
import { checkNoCheckpoint } from "./checkpoints.ts";
import { DetachScanner, parseDetachKeys } from "../streams/detach-keys.ts";
import { closeClient, pump } from "../streams/pump.ts";
import { headless } from "../streams/web-socket.ts";
import { OPCODE } from "../streams/web-socket-frames.ts";
import type { ByteStream } from "../reply.ts";
import { streamTypeOf } from "../streams/stream-type.ts";
import { writeAll } from "../streams/write-all.ts";

export type ContainerRouteDeps = CreateDeps &
  StartDeps &
  ListDeps &
  ClearLogsDeps &
  LogsDeps &
  InspectDeps &
  RemoveDeps &
  StopDeps &
  PauseDeps &
  RenameDeps &
  UpdateDeps &
  ExplainDeps &
  TopDeps &
  AttachDeps & { readonly store: ContainerStore };

export function containerRoutes(deps: ContainerRouteDeps): readonly Route[] {
  const found = (call: Call): Container => deps.store.find(call.param(0));
  return [
    {
      method: "GET",
      pattern: "/containers/json",
      handler: async (call) => {
        const { query, reply } = call;
        const filters = decodeFilters(query.str("filters"), LIST_FILTERS);
        const summaries = await list(deps, {
          all: query.bool("all"),
          limit: query.int("limit") ?? 0,
          size: query.bool("size"),
          filters,
          signal: call.signal,
        });
        const shown = query.bool("brief") ? summaries.map(briefOf) : summaries;
        reply.json(
          200,
          shown.map((summary) => answerFor("containerSummary", call.minor, summary)),
        );
      },
    },
    {
      method: "POST",
      pattern: "/containers/create",
      handler: async (call) => {
        const request = createRequestFor(call.minor, decodeContainerCreate(await call.json()));
        const platform = call.query.str("platform");
        call.reply.json(
          201,
          await create(deps, call.query.str("name"), request, { platform, signal: call.signal }),
        );
      },
    },
    {
      method: "GET",
      pattern: "/containers/:id/json",
      handler: async (call) => {
        const container = found(call);
        const size = call.query.bool("size");
        const document = await inspect(deps, container, { size, signal: call.signal });
        call.reply.json(200, answerFor("container", call.minor, document));
      },
    },
    {
      method: "POST",
      pattern: "/containers/:id/start",
      handler: async (call) => {
        checkNoCheckpoint(call.query);
        await start(deps, found(call));
        call.reply.empty(204);
      },
    },
    {
      method: "POST",
      pattern: "/containers/:id/stop",
      handler: async (call) => {
        await stopAsAsked(deps, found(call), stopRequest(call), call.param(0));
        call.reply.empty(204);
      },
    },
    {
      method: "POST",
      pattern: "/containers/:id/restart",
      handler: async (call) => {
        await restart(deps, found(call), stopRequest(call), call.param(0));
        call.reply.empty(204);
      },
    },
    {
      method: "POST",
      pattern: "/containers/:id/kill",
      handler: async (call) => {
        await kill(deps, { signal: call.query.str("signal"), reference: call.param(0) });
        call.reply.empty(204);
      },
    },
    {
      method: "POST",
      pattern: "/containers/:id/pause",
      handler: async (call) => {
        await pause(deps, found(call));
        call.reply.empty(204);
      },
    },
    {
      method: "POST",
      pattern: "/containers/:id/unpause",
      handler: async (call) => {
        await unpause(deps, found(call));
        call.reply.empty(204);
      },
    },
    {
      method: "POST",
      pattern: "/containers/:id/rename",
      handler: async (call) => {
        await rename(deps, found(call), call.query.str("name"));
        call.reply.empty(204);
      },
    },
    {
      method: "POST",
      pattern: "/containers/:id/update",
      handler: async (call) => {
        const request = decodeContainerUpdate(await call.json("optional"));
        call.reply.json(200, await update(deps, found(call), request));
      },
    },
    {
      method: "POST",
      pattern: "/containers/:id/recreate",
      handler: async (call) => {
        const request = decodeRecreate(await call.json("optional"));
        const options = {
          stop: stopRequest(call),
          platform: call.query.str("platform"),
          signal: call.signal,
        };
        call.reply.json(201, await recreate(deps, found(call), request, options));
      },
    },
    {
      method: "GET",
      pattern: "/containers/:id/ports/explain",
      handler: (call) => Promise.resolve(call.reply.json(200, explain(deps, found(call)))),
    },
    {
      method: "POST",
      pattern: "/containers/:id/resize",
      handler: async (call) => {
        const size = checkSize(call.query.int("h"), call.query.int("w"));
        await resize(deps, found(call), size);
        call.reply.empty(200);
      },
    },
    {
      method: "GET",
      pattern: "/containers/:id/top",
      handler: async (call) => {
        call.reply.json(200, await top(deps, found(call), call.query.str("ps_args")));
      },
    },
    {
      method: "POST",
      pattern: "/containers/prune",
      handler: async (call) => {
        const filters = decodeFilters(call.query.str("filters"), PRUNE_FILTERS);
        const request = { filters, dryRun: call.query.bool("dry-run") };
        call.reply.json(200, await prune(deps, request, call.signal));
      },
    },
    {
      method: "POST",
      pattern: "/containers/:id/wait",
      handler: (call) => waitRoute(call, deps.store.findOrDeparted(call.param(0))),
    },
    {
      method: "POST",
      pattern: "/containers/:id/attach",
      handler: (call) => attachRoute(deps, call, found(call)),
    },
    {
      method: "GET",
      pattern: "/containers/:id/attach/ws",
      handler: (call) => webSocketRoute(deps, call, found(call)),
    },
    { method: "GET", pattern: "/containers/:id/logs", handler: (call) => logsRoute(deps, call) },
    {
      method: "DELETE",
      pattern: "/containers/:id/logs",
      handler: async (call) => {
        await clearLogs(deps, deps.store.find(call.param(0)));
        call.reply.empty(204);
      },
    },
    {
      method: "DELETE",
      pattern: "/containers/:id",
      handler: async (call) => {
        const { query } = call;
        if (query.bool("link")) {
          await removeLink(deps, call.param(0));
          call.reply.empty(204);
          return;
        }
        const container = found(call);
        await remove(deps, container, { force: query.bool("force"), volumes: query.bool("v") });
        call.reply.empty(204);
      },
    },
    {
      method: "DELETE",
      pattern: "/containers/:id/:alias",
      handler: async (call) => {
        const name = `${call.param(0)}/${call.param(1)}`;
        if (!call.query.bool("link")) throw fail("not_found", `No such container: ${name}`);
        await removeLink(deps, name);
        call.reply.empty(204);
      },
    },
  ];
}

/** `brief`, of our own: what the columns of `ps` show, which is two fifths of the bytes. */
function briefOf(summary: ContainerSummary): Partial<ContainerSummary> {
  const {
    HostConfig: _host,
    NetworkSettings: _networks,
    Mounts: _mounts,
    Labels: _labels,
    ...brief
  } = summary;
  return brief;
}

function stopRequest({ query }: Call): StopRequest {
  return { signal: query.str("signal"), timeoutSeconds: query.int("t") };
}

/** The head goes out before anything happens: `docker run` starts the container only once it has seen it. */
async function waitRoute(call: Call, container: Container): Promise<void> {
  const condition = parseWaitCondition(call.query.str("condition"));
  const outcome = wait(container, condition, call.signal);
  const body = call.reply.stream(200, { "Content-Type": "application/json" });
  try {
    const answer = await outcome;
    await outputPassed(container);
    body.end(`${JSON.stringify(answer)}\n`);
  } catch (error) {
    if (!isCategory(error, "unavailable")) throw error; // the client is gone: nobody to answer
  }
}

function attachRoute(deps: ContainerRouteDeps, call: Call, container: Container): Promise<void> {
  return attachTo(deps, call, container, () => call.reply.hijack(streamTypeOf(call, container.config.Tty)));
}

/** Messages are binary since API 1.28. */
function webSocketRoute(deps: ContainerRouteDeps, call: Call, container: Container): Promise<void> {
  return attachTo(deps, call, container, () => {
    const stream = call.reply.webSocket(call.minor >= 28 ? OPCODE.binary : OPCODE.text);
    return container.config.Tty ? stream : { input: stream.input, output: headless(stream.output) };
  });
}

async function attachTo(
  deps: ContainerRouteDeps,
  call: Call,
  container: Container,
  open: () => ByteStream,
): Promise<void> {
  const { query } = call;
  const detachKeys = parseDetachKeys(query.str("detachKeys"));
  checkAttachable(container);
  const isStream = query.bool("stream");
  const options = {
    stdin: isStream && query.bool("stdin") && container.config.OpenStdin,
    stdout: query.bool("stdout"),
    stderr: query.bool("stderr"),
  };
  const { signal } = call;
  const stream = isStream ? attach(deps, container, options, signal) : Promise.resolve(undefined);
  // Of one that runs: what goes wrong is still an answer then.
  if (container.task !== undefined) await stream;
  let client: ByteStream;
  try {
    client = open();
  } catch (error) {
    (await stream)?.destroy();
    throw error;
  }
  if (query.bool("logs")) {
    const past = {
      ...options,
      sinceNs: undefined,
      untilNs: undefined,
      tail: "all",
      timestamps: false,
    } as const;
    await writeAll(client.output, logs(deps, container, { ...past, details: false, follow: false, signal }));
  }
  const process = await stream;
  if (process === undefined) {
    closeClient(client);
    return;
  }
  const detach = container.config.Tty ? new DetachScanner(detachKeys) : undefined;
  const how = await notePassing(container, pump(client, process, { stdin: options.stdin, detach }));
  if (how === "detached") announceDetach(deps, container);
}

async function logsRoute(deps: ContainerRouteDeps, call: Call): Promise<void> {
  const { query } = call;
  const stdout = query.bool("stdout");
  const stderr = query.bool("stderr");
  if (!stdout && !stderr)
    throw fail("invalid_argument", "Bad parameters: you must choose at least one stream");
  const container = deps.store.find(call.param(0));
  const text = logs(deps, container, {
    stdout,
    stderr,
    sinceNs: parseLogTime(query.str("since")),
    untilNs: parseLogTime(query.str("until")),
    tail: parseTail(query.str("tail")),
    timestamps: query.bool("timestamps"),
    details: query.bool("details"),
    follow: query.bool("follow"),
    signal: call.signal,
  });
  const body = call.reply.stream(200, { "Content-Type": streamTypeOf(call, container.config.Tty) });
  await writeAll(body, text);
  body.end();
}
