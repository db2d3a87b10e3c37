/** An image whose layers hide and replace what others bring. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dockerArchive, layerOf } from "../../src/core/images/testing/archives.ts";
import { sha256Of } from "../../src/specs/oci-image/digest.ts";
import { busyboxRoot } from "./images.ts";

/** What `ls /bin/busybox` says in it. */
export const BUSYBOX_ROOT_FILES = "/bin/busybox";

let made: Promise<string> | undefined;

/** "layered:latest", as a `docker save` archive. */
export function layeredArchive(): Promise<string> {
  made ??= make();
  return made;
}

async function make(): Promise<string> {
  const tar = await readFile(await busyboxRoot());
  const base = { ...layerOf([]), tar, blob: tar };
  const digest = sha256Of(tar);
  const layers = [
    { ...base, diffId: digest, digest },
    layerOf([
      { name: "test/file", content: "lower\n" },
      { name: "test/gone", content: "gone\n" },
      { name: "test/hidden/old", content: "old\n" },
      { name: "test/both/low", content: "low\n" },
      { name: "test/turned/inside", content: "inside\n" },
    ]),
    layerOf([
      { name: "test/file", content: "upper\n" },
      { name: "test/.wh.gone" },
      { name: "test/hidden/.wh..wh..opq" },
      { name: "test/hidden/new", content: "new\n" },
      { name: "test/both/up", content: "up\n" },
      { name: "test/turned", content: "a file\n" },
    ]),
  ];
  const path = join(mkdtempSync(join(tmpdir(), "layered-")), "image.tar");
  writeFileSync(path, dockerArchive([{ names: ["layered:latest"], layers }]));
  return path;
}
