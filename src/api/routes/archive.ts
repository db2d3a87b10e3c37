/** Files of containers: /containers/{id}/archive, and the names that a pattern matches. */
import {
  type ArchiveDeps,
  type ArchiveTarget,
  matchPaths,
  readPath,
  statPath,
  writePath,
} from "../../engine/containers/archive.ts";
import type { ContainerPathStat } from "../../engine/containers/archive-path.ts";
import type { ContainerStore } from "../../engine/containers/store.ts";
import { fail } from "../../base/errors.ts";
import type { Call } from "../call.ts";
import type { Route } from "../router.ts";
import { sendArchive } from "../streams/send-archive.ts";

export type ArchiveRouteDeps = ArchiveDeps & { readonly store: ContainerStore };

const PATTERN = "/containers/:id/archive";

export function archiveRoutes(deps: ArchiveRouteDeps): readonly Route[] {
  return [
    {
      method: "HEAD",
      pattern: PATTERN,
      handler: async (call) => {
        const stat = await statPath(deps, targetOf(deps, call), call.signal);
        call.reply.empty(200, statHeader(stat));
      },
    },
    {
      method: "GET",
      pattern: PATTERN,
      handler: async (call) => {
        const { stat, archive } = await readPath(deps, targetOf(deps, call), call.signal);
        await sendArchive(call, "application/x-tar", archive, statHeader(stat));
      },
    },
    {
      method: "PUT",
      pattern: PATTERN,
      handler: async (call) => {
        const options = { noOverwriteDirNonDir: call.query.bool("noOverwriteDirNonDir") };
        await writePath(deps, targetOf(deps, call), options, call.request, call.signal);
        call.reply.empty(200);
      },
    },
    {
      method: "GET",
      pattern: `${PATTERN}/matches`,
      handler: async (call) =>
        call.reply.json(200, { Paths: await matchPaths(deps, targetOf(deps, call), call.signal) }),
    },
  ];
}

function targetOf({ store }: ArchiveRouteDeps, call: Call): ArchiveTarget {
  const reference = call.param(0);
  const path = call.query.str("path");
  if (path === "") throw fail("invalid_argument", "bad parameter: path cannot be empty");
  if (path.includes("\0")) throw fail("invalid_argument", "bad parameter: path has a NUL byte in it");
  return { container: store.find(reference), reference, path };
}

function statHeader(stat: ContainerPathStat): Readonly<Record<string, string>> {
  return { "X-Docker-Container-Path-Stat": Buffer.from(JSON.stringify(stat)).toString("base64") };
}
