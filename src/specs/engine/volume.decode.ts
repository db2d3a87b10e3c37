/** Decoder of what `POST /volumes/create` is sent. */
import { Fields } from "./fields.decode.ts";
import type { VolumeCreateRequest } from "./volume.ts";

export function decodeVolumeCreate(body: unknown): VolumeCreateRequest {
  const fields = new Fields(body, "");
  return {
    Name: fields.str("Name"),
    Driver: fields.str("Driver"),
    DriverOpts: fields.stringMap("DriverOpts"),
    Labels: fields.stringMap("Labels"),
    isOfCluster: fields.has("ClusterVolumeSpec"),
  };
}
