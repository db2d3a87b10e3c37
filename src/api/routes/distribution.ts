/**
 * /distribution: what lies at registries. The first is Docker's; the others are ours, for command lines that keep no
 * connection to a registry of their own:
 *
 *     GET  /distribution/{name}/json       Descriptor, Platforms
 *     GET  /distribution/{name}/tags       Name, Tags
 *     GET  /distribution/{name}/manifest   Descriptor, Platforms, Raw (the document, base64)
 *     POST /distribution/{name}/manifest   { MediaType, Raw, Sources } puts a manifest list there: Digest, Pushed
 */
import {
  listTags,
  pushList,
  readManifest,
  type RegistryDeps,
} from "../../engine/images/registry-documents.ts";
import { decodeManifestPut } from "../../specs/engine/manifest-put.decode.ts";
import type { Call } from "../call.ts";
import type { Route } from "../router.ts";
import { credentialsOf } from "./image-transfer.ts";
import { fromRegistry } from "./registry-failure.ts";

export function distributionRoutes(deps: RegistryDeps): readonly Route[] {
  const read = (call: Call) =>
    fromRegistry(readManifest(deps, call.param(0), credentialsOf(call), call.signal));
  return [
    {
      method: "GET",
      pattern: "/distribution/*name/json",
      handler: async (call) => {
        const { Descriptor, Platforms } = await read(call);
        call.reply.json(200, { Descriptor, Platforms });
      },
    },
    {
      method: "GET",
      pattern: "/distribution/*name/tags",
      handler: async (call) =>
        call.reply.json(
          200,
          await fromRegistry(listTags(deps, call.param(0), credentialsOf(call), call.signal)),
        ),
    },
    {
      method: "GET",
      pattern: "/distribution/*name/manifest",
      handler: async (call) => call.reply.json(200, await read(call)),
    },
    {
      method: "POST",
      pattern: "/distribution/*name/manifest",
      handler: async (call) => {
        const list = decodeManifestPut(await call.json());
        const pushed = await fromRegistry(
          pushList(deps, call.param(0), list, credentialsOf(call), call.signal),
        );
        call.reply.json(200, pushed);
      },
    },
  ];
}
