/** Decoder of the body of POST /containers/{id}/update. */
import { fail } from "../../base/errors.ts";
import { decodePublishedPorts, decodeResources, decodeRestartPolicy } from "./container.decode.ts";
import { emptyMap, Fields } from "./fields.decode.ts";
import type { ContainerUpdateRequest, NetworkingUpdate } from "./update.ts";

/** `undefined` = no body, which changes nothing. Throws `invalid_argument`. */
export function decodeContainerUpdate(body: unknown): ContainerUpdateRequest {
  const fields = new Fields(body ?? {}, "");
  return {
    resources: decodeResources(fields),
    RestartPolicy: decodeRestartPolicy(fields.object("RestartPolicy")),
    Networking: decodeNetworking(fields),
  };
}

const NETWORKING = ["PublishAdd", "PublishRemove", "RateIn", "RateOut"];

/** No other engine knows it, so a field that is none of its own is a mistake, and not somebody else's. */
function decodeNetworking(document: Fields): NetworkingUpdate {
  for (const key of Object.keys(document.map("Networking", () => null) ?? {}))
    if (!NETWORKING.some((known) => known.toLowerCase() === key.toLowerCase()))
      throw fail(
        "invalid_argument",
        `unknown field "Networking.${key.slice(0, 100)}": there are ${NETWORKING.join(", ")}`,
      );
  const fields = document.object("Networking") ?? new Fields({}, "Networking");
  return {
    PublishAdd: decodePublishedPorts(fields, "PublishAdd") ?? emptyMap(),
    PublishRemove: decodePublishedPorts(fields, "PublishRemove") ?? emptyMap(),
    RateIn: fields.intOrNull("RateIn"),
    RateOut: fields.intOrNull("RateOut"),
  };
}
