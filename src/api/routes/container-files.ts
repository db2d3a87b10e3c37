/** What containers wrote: /containers/{id}/changes, /containers/{id}/export and /commit. */
import { type CommitDeps, commit } from "../../engine/containers/commit.ts";
import { type DiffDeps, diff } from "../../engine/containers/diff.ts";
import { type ExportDeps, exportContainer } from "../../engine/containers/export.ts";
import type { ContainerStore } from "../../engine/containers/store.ts";
import { decodeContainerConfig } from "../../specs/engine/container.decode.ts";
import { Fields } from "../../specs/engine/fields.decode.ts";
import type { Call } from "../call.ts";
import type { Route } from "../router.ts";
import { sendArchive } from "../streams/send-archive.ts";

export type ContainerFilesRouteDeps = DiffDeps & ExportDeps & CommitDeps & { readonly store: ContainerStore };

export function containerFilesRoutes(deps: ContainerFilesRouteDeps): readonly Route[] {
  return [
    {
      method: "GET",
      pattern: "/containers/:id/changes",
      handler: async (call) =>
        call.reply.json(200, await diff(deps, deps.store.find(call.param(0)), call.signal)),
    },
    {
      method: "GET",
      pattern: "/containers/:id/export",
      handler: async (call) => {
        const archive = exportContainer(deps, deps.store.find(call.param(0)), call.signal);
        await sendArchive(call, "application/octet-stream", archive);
      },
    },
    { method: "POST", pattern: "/commit", handler: (call) => commitRoute(deps, call) },
  ];
}

async function commitRoute(deps: ContainerFilesRouteDeps, call: Call): Promise<void> {
  const { query } = call;
  const container = deps.store.find(query.str("container"));
  const body = await call.json("optional");
  const repo = query.str("repo");
  const tag = query.str("tag");
  const id = await commit(
    deps,
    container,
    {
      reference: repo === "" ? undefined : tag === "" ? repo : `${repo}:${tag}`,
      author: query.str("author"),
      comment: query.str("comment"),
      changes: query
        .all("changes")
        .flatMap((text) => text.split("\n"))
        .filter((line) => line.trim() !== ""),
      pause: query.bool("pause", true),
      config: body === undefined || body === null ? null : decodeContainerConfig(new Fields(body, "")),
    },
    call.signal,
  );
  call.reply.json(201, { Id: id });
}
