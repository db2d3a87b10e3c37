/** What is in images: as archives, /images/get and /images/{name}/get, as changes, /images/{name}/changes, and mounted. */
import { diffImages, type ImageDiffDeps } from "../../engine/images/diff.ts";
import {
  type ImageMountDeps,
  listMountedImages,
  mountImage,
  unmountImage,
} from "../../engine/images/mounts.ts";
import { type SaveDeps, save } from "../../engine/images/save.ts";
import type { Call } from "../call.ts";
import type { Route } from "../router.ts";
import { platformSince } from "./image-transfer.ts";
import { sendArchive } from "../streams/send-archive.ts";

export type ImageContentRouteDeps = SaveDeps & ImageDiffDeps & ImageMountDeps;

export function imageContentRoutes(deps: ImageContentRouteDeps): readonly Route[] {
  const send = async (call: Call, names: readonly string[]): Promise<void> => {
    const platform = platformSince(48, call);
    await sendArchive(call, "application/x-tar", save(deps, { names, platform }, call.signal));
  };
  return [
    { method: "GET", pattern: "/images/get", handler: (call) => send(call, call.query.all("names")) },
    { method: "GET", pattern: "/images/*name/get", handler: (call) => send(call, [call.param(0)]) },
    {
      method: "GET",
      pattern: "/images/mounts",
      handler: (call) => call.reply.json(200, listMountedImages(deps)),
    },
    {
      method: "POST",
      pattern: "/images/unmount",
      handler: async (call) => {
        const name = call.query.str("name");
        call.reply.json(200, { Mountpoints: await unmountImage(deps, name) });
      },
    },
    {
      method: "POST",
      pattern: "/images/*name/mount",
      handler: async (call) => {
        const { query } = call;
        const request = { directory: query.str("directory"), namespace: query.str("namespace") };
        call.reply.json(200, await mountImage(deps, call.param(0), request, call.signal));
      },
    },
    {
      method: "GET",
      pattern: "/images/*name/changes",
      handler: async (call) => {
        const request = { name: call.param(0), base: call.query.str("base") };
        call.reply.json(200, await diffImages(deps, request, call.signal));
      },
    },
  ];
}
