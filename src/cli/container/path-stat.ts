/** What the engine says of a path in a container. */
import type { EngineClient } from "../../client/engine-client.ts";
import { fieldsOf, number, text } from "../../client/fields.ts";
import type { HttpResponse } from "../../client/http.ts";
import { fail } from "../../base/errors.ts";
import { segment } from "./each.ts";

export interface RemotePath {
  /** Go's os.FileMode. */
  readonly mode: number;
  readonly linkTarget: string;
}

const GO_DIRECTORY = 2 ** 31;
const GO_SYMLINK = 2 ** 27;
const GO_DEVICE = 2 ** 26;

function has({ mode }: RemotePath, bit: number): boolean {
  return Math.floor(mode / bit) % 2 === 1;
}

export function isRemoteDirectory(path: RemotePath): boolean {
  return has(path, GO_DIRECTORY);
}

export function isRemoteLink(path: RemotePath): boolean {
  return has(path, GO_SYMLINK);
}

export function isRemoteDevice(path: RemotePath): boolean {
  return has(path, GO_DEVICE);
}

export function archivePath(container: string): string {
  return `/containers/${segment(container)}/archive`;
}

export async function statRemote(engine: EngineClient, container: string, path: string): Promise<RemotePath> {
  return remotePathOf(await engine.run({ method: "HEAD", path: archivePath(container), query: { path } }));
}

export function remotePathOf({ headers }: HttpResponse): RemotePath {
  const header = headers.get("x-docker-container-path-stat") ?? "";
  try {
    const fields = fieldsOf(JSON.parse(Buffer.from(header, "base64").toString()));
    return { mode: number(fields, "mode"), linkTarget: text(fields, "linkTarget") };
  } catch (cause) {
    throw fail("internal", "the engine did not say what it copies", cause);
  }
}
