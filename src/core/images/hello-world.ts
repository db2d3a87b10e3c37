/**
 * The image hello-world:latest, built in memory around a static executable: the first thing that anybody runs, and the
 * one image that needs no registry. The same executable always gives the same image id.
 */
import { Readable } from "node:stream";
import { writeTar } from "../../base/tar-writer.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";

const NAME = "hello-world:latest";
const COMMAND = ["/hello"];
/** Fixed, or else the id would change with every start. */
const CREATED = "2024-01-01T00:00:00Z";

/** A docker-archive for Images.load. */
export function helloWorldArchive(executable: Uint8Array, architecture: string): Readable {
  const layer = writeTar([{ name: "hello", content: executable, mode: 0o755 }]);
  const config = JSON.stringify({
    architecture,
    config: { Cmd: COMMAND, Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] },
    created: CREATED,
    history: [{ created: CREATED, created_by: "COPY hello / # gantry" }],
    os: "linux",
    rootfs: { type: "layers", diff_ids: [sha256Of(layer)] },
  });
  const manifest = JSON.stringify([{ Config: "config.json", RepoTags: [NAME], Layers: ["layer.tar"] }]);
  const archive = writeTar([
    { name: "manifest.json", content: manifest },
    { name: "config.json", content: config },
    { name: "layer.tar", content: layer },
  ]);
  return Readable.from([archive]);
}
