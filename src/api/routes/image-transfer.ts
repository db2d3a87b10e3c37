/** Images on their way in and out: /images/create, /images/load, /images/{name}/push. */
import type { Readable } from "node:stream";
import { fail } from "../../base/errors.ts";
import { announceImage } from "../../engine/images/announce.ts";
import { applyChanges } from "../../engine/images/changes.ts";
import { fetchArchive } from "../../engine/images/fetch-archive.ts";
import { type PullDeps, pull } from "../../engine/images/pull.ts";
import { type PushDeps, push } from "../../engine/images/push.ts";
import { decodeRegistryAuth, type RegistryAuth } from "../../specs/engine/auth.decode.ts";
import { decodePlatform } from "../../specs/engine/platform.decode.ts";
import type { Platform } from "../../specs/oci-image/manifest.ts";
import { familiarReference, parseReference } from "../../specs/oci-image/reference.ts";
import type { Call } from "../call.ts";
import type { Route } from "../router.ts";
import { streamProgress } from "../streams/progress.ts";
import { fromRegistry } from "./registry-failure.ts";

export type ImageTransferDeps = PullDeps & PushDeps;

export function imageTransferRoutes(deps: ImageTransferDeps): readonly Route[] {
  return [
    {
      method: "POST",
      pattern: "/images/create",
      handler: (call) =>
        call.query.str("fromImage") === "" ? importRoute(deps, call) : pullRoute(deps, call),
    },
    { method: "POST", pattern: "/images/load", handler: (call) => loadRoute(deps, call) },
    { method: "POST", pattern: "/images/*name/push", handler: (call) => pushRoute(deps, call) },
  ];
}

async function pullRoute(deps: ImageTransferDeps, call: Call): Promise<void> {
  const { query } = call;
  const request = {
    name: query.str("fromImage"),
    tag: query.str("tag"),
    platform: query.str("platform"),
    credentials: credentialsOf(call),
  };
  await streamProgress(call, (send) => fromRegistry(pull(deps, request, send, call.signal)));
}

async function pushRoute(deps: ImageTransferDeps, call: Call): Promise<void> {
  const request = {
    name: call.param(0),
    tag: call.query.str("tag"),
    platform: platformSince(46, call),
    credentials: credentialsOf(call),
  };
  await streamProgress(call, (send) => fromRegistry(push(deps, request, send, call.signal)));
}

/** A client's platform as JSON; undefined for clients of a time when the parameter meant nothing. */
export function platformSince(minor: number, { query, minor: asked }: Call): Platform | undefined {
  const text = query.str("platform");
  return text === "" || asked < minor ? undefined : decodePlatform(text);
}

export function credentialsOf({ request }: Call): RegistryAuth | undefined {
  const header = request.headers["x-registry-auth"];
  return decodeRegistryAuth(typeof header === "string" ? header : "");
}

async function importRoute(deps: ImageTransferDeps, call: Call): Promise<void> {
  const { query } = call;
  const source = query.str("fromSrc");
  if (source === "") throw fail("invalid_argument", '"fromImage" or "fromSrc" must be given');
  const repo = query.str("repo");
  const tag = query.str("tag");
  const config = applyChanges({}, query.all("changes"));
  await streamProgress(call, async (send) => {
    const image = await deps.images.import(
      source === "-" ? bodyOf(call) : await fromRegistry(fetchArchive(deps, source, send, call.signal)),
      {
        reference: repo === "" ? undefined : tag === "" ? repo : `${repo}:${tag}`,
        message: query.str("message") === "" ? `Imported from ${source}` : query.str("message"),
        platform: query.str("platform"),
        config,
      },
      call.signal,
    );
    for (const name of image.tags)
      announceImage(
        deps.events,
        image.id,
        "tag",
        familiarReference(parseReference(name)),
        image.config?.Labels,
      );
    announceImage(deps.events, image.id, "import", image.id, image.config?.Labels);
    send({ status: image.id });
  });
}

async function loadRoute(deps: ImageTransferDeps, call: Call): Promise<void> {
  const platform = platformSince(48, call);
  await streamProgress(call, async (send) => {
    const loaded = await deps.images.load(bodyOf(call), call.signal, platform);
    const told = new Set<string>();
    for (const { image, names, takenOver } of loaded) {
      for (const { name, id } of takenOver)
        if (!told.has(name))
          send({
            stream: `The image ${name} already exists, renaming the old one with ID ${id} to empty string\n`,
          });
      for (const name of names) {
        // Of a name with several platforms each is an image of its own.
        if (told.has(name)) continue;
        told.add(name);
        announceImage(deps.events, image.id, "load", image.id, image.config?.Labels);
        send({ stream: `Loaded image: ${name}\n` });
      }
      if (names.length === 0) send({ stream: `Loaded image ID: ${image.id}\n` });
    }
  });
}

/** The request's body, as long as it may be. */
function bodyOf(call: Call): Readable {
  return call.request;
}
