/** The planned mounts of a container as its row has them. What an old row lacks follows from the request again. */
import { fail } from "../../base/errors.ts";
import type { MountPoint } from "../../specs/engine/container.ts";
import { asString, Fields } from "../../specs/engine/fields.decode.ts";
import type { MountRequest } from "./mount-request.ts";

const TYPES = ["bind", "volume", "tmpfs", "image", "npipe", "cluster"] as const;

export function decodeMountRequest(value: unknown, path: string): MountRequest {
  const fields = new Fields(value, path);
  const point = fields.object("point");
  const mount = fields.object("mount");
  if (mount === null) throw fail("internal", `stored field "${path}.mount" is missing`);
  return { point: point === null ? undefined : decodePoint(point), mount: decodeMount(mount) };
}

function decodePoint(fields: Fields): MountPoint {
  return {
    Type: fields.oneOf("Type", TYPES, (value) => `unknown type of mount "${value}"`),
    ...(fields.has("Name") ? { Name: fields.str("Name") } : {}),
    Source: fields.str("Source"),
    Destination: fields.str("Destination"),
    ...(fields.has("Driver") ? { Driver: fields.str("Driver") } : {}),
    Mode: fields.str("Mode"),
    RW: fields.bool("RW"),
    Propagation: fields.str("Propagation"),
  };
}

function decodeMount(fields: Fields): MountRequest["mount"] {
  const destination = fields.str("destination");
  const kind = fields.oneOf(
    "kind",
    ["bind", "tmpfs", "volume", "image"],
    (value) => `unknown mount "${value}"`,
  );
  switch (kind) {
    case "tmpfs":
      return { kind, destination, options: fields.list("options", asString) ?? [] };
    case "bind":
      return {
        kind,
        source: fields.str("source"),
        destination,
        readOnly: fields.bool("readOnly"),
        recursiveReadOnly: fields.bool("recursiveReadOnly"),
        recursive: fields.bool("recursive"),
        propagation: fields.str("propagation"),
        createSource: fields.bool("createSource"),
      };
    case "image":
      return {
        kind,
        name: fields.str("name"),
        destination,
        subpath: fields.str("subpath"),
        image: fields.str("image"),
        layer: fields.str("layer"),
        snapshot: fields.str("snapshot"),
      };
    case "volume":
      return {
        kind,
        name: fields.str("name"),
        isAnonymous: fields.bool("isAnonymous"),
        destination,
        readOnly: fields.bool("readOnly"),
        noCopy: fields.bool("noCopy"),
        subpath: fields.str("subpath"),
        driver: fields.str("driver"),
        labels: fields.stringMap("labels"),
        options: fields.stringMap("options"),
      };
  }
}
