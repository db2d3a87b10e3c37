/**
 * What there is to say of each route beyond its method and path: its query, the decoder of its body, what it answers. Routes
 * that are not here are in the document without it. Tests compare what handlers read with what is said here.
 */
import { decodeContainerConfig, decodeContainerCreate } from "../../specs/engine/container.decode.ts";
import { decodeExecCreate, decodeExecStart } from "../../specs/engine/exec.decode.ts";
import { Fields } from "../../specs/engine/fields.decode.ts";
import { decodeManifestPut } from "../../specs/engine/manifest-put.decode.ts";
import { decodeVolumeCreate } from "../../specs/engine/volume.decode.ts";
import { decodeLogin } from "../../specs/engine/login.ts";
import {
  decodeNetworkConnect,
  decodeNetworkCreate,
  decodeNetworkDisconnect,
} from "../../specs/engine/network.decode.ts";
import { type Schema, schemaOf } from "../../specs/engine/probe.ts";
import { decodeRecreate } from "../../specs/engine/recreate.decode.ts";
import { decodeContainerUpdate } from "../../specs/engine/update.decode.ts";

export interface Operation {
  readonly summary: string;
  /** By a comma: "name", "name:boolean", "name:integer", "name[]" for what can come more than once. */
  readonly query?: string;
  /** Of a JSON body. */
  readonly decode?: (body: unknown) => unknown;
  /** The body is an archive, as long as it may be. */
  readonly takesArchive?: boolean;
  /** Of success; default 200, JSON. */
  readonly status?: 101 | 200 | 201 | 204;
  readonly type?: string;
}

const STREAM = "application/vnd.docker.raw-stream";
const TAR = "application/x-tar";
const decodeCommit = (body: unknown): unknown => decodeContainerConfig(new Fields(body, ""));

export const OPERATIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ["GET /_ping", { summary: "Whether the engine answers", type: "text/plain" }],
  ["HEAD /_ping", { summary: "Whether the engine answers", type: "text/plain" }],
  ["GET /version", { summary: "Versions of the engine" }],
  ["GET /info", { summary: "The engine and its host" }],
  ["GET /openapi.json", { summary: "This document" }],
  ["GET /events", { summary: "What happens, as lines of JSON", query: "since,until,filters" }],
  ["GET /system/df", { summary: "Disk usage", query: "type[]" }],
  [
    "POST /system/check",
    { summary: "Look for damage, as lines of JSON", query: "repair:boolean,deep:boolean" },
  ],
  ["POST /build/prune", { summary: "Delete what builds have cached", query: "filters" }],
  ["POST /auth", { summary: "Try credentials at a registry", decode: decodeLogin }],

  [
    "GET /containers/json",
    { summary: "List containers", query: "all:boolean,limit:integer,size:boolean,brief:boolean,filters" },
  ],
  [
    "POST /containers/create",
    { summary: "Create a container", query: "name,platform", decode: decodeContainerCreate, status: 201 },
  ],
  [
    "POST /containers/prune",
    { summary: "Delete containers that do not run", query: "filters,dry-run:boolean" },
  ],
  ["GET /containers/:id/json", { summary: "Inspect a container", query: "size:boolean" }],
  ["GET /containers/:id/top", { summary: "Its processes", query: "ps_args" }],
  [
    "GET /containers/:id/logs",
    {
      summary: "What it wrote",
      query:
        "stdout:boolean,stderr:boolean,since,until,tail,timestamps:boolean,details:boolean,follow:boolean",
      type: STREAM,
    },
  ],
  ["DELETE /containers/:id/logs", { summary: "Forget what it wrote", status: 204 }],
  ["GET /containers/:id/changes", { summary: "What it changed of its image" }],
  ["GET /containers/:id/export", { summary: "Its files", type: "application/octet-stream" }],
  ["POST /containers/:id/start", { summary: "Start it", query: "checkpoint,checkpoint-dir", status: 204 }],
  ["POST /containers/:id/stop", { summary: "Stop it", query: "signal,t:integer", status: 204 }],
  ["POST /containers/:id/restart", { summary: "Stop and start it", query: "signal,t:integer", status: 204 }],
  ["POST /containers/:id/kill", { summary: "Send it a signal", query: "signal", status: 204 }],
  ["POST /containers/:id/pause", { summary: "Freeze it", status: 204 }],
  ["POST /containers/:id/unpause", { summary: "Thaw it", status: 204 }],
  ["POST /containers/:id/rename", { summary: "Give it another name", query: "name", status: 204 }],
  ["POST /containers/:id/resize", { summary: "Resize its terminal", query: "h:integer,w:integer" }],
  ["POST /containers/:id/update", { summary: "Change it while it runs", decode: decodeContainerUpdate }],
  ["GET /containers/:id/ports/explain", { summary: "Who reaches which port, and why" }],
  ["GET /containers/:id/stats", { summary: "What it uses", query: "stream:boolean,one-shot:boolean" }],
  ["GET /containers/:id/execs", { summary: "Processes that were started in it", query: "all:boolean" }],
  [
    "POST /containers/:id/recreate",
    {
      summary: "Put another in its place, from a newer image",
      query: "signal,t:integer,platform",
      decode: decodeRecreate,
      status: 201,
    },
  ],
  ["POST /containers/:id/wait", { summary: "Wait for its end", query: "condition" }],
  [
    "GET /containers/:id/attach/ws",
    {
      summary: "Join its streams by WebSocket",
      query: "detachKeys,stream:boolean,stdin:boolean,stdout:boolean,stderr:boolean,logs:boolean",
      status: 101,
      type: STREAM,
    },
  ],
  [
    "POST /containers/:id/attach",
    {
      summary: "Join its streams",
      query: "detachKeys,stream:boolean,stdin:boolean,stdout:boolean,stderr:boolean,logs:boolean",
      status: 101,
      type: STREAM,
    },
  ],
  [
    "DELETE /containers/:id",
    { summary: "Remove it", query: "link:boolean,force:boolean,v:boolean", status: 204 },
  ],
  ["DELETE /containers/:id/:alias", { summary: "Remove its link", query: "link:boolean", status: 204 }],
  [
    "POST /containers/:id/exec",
    { summary: "Prepare a process in it", decode: decodeExecCreate, status: 201 },
  ],
  ["GET /containers/:id/checkpoints", { summary: "Its checkpoints: experimental, refused" }],
  ["POST /containers/:id/checkpoints", { summary: "Make a checkpoint: experimental, refused" }],
  ["DELETE /containers/:id/checkpoints/:name", { summary: "Delete a checkpoint: experimental, refused" }],
  ["GET /containers/:id/archive", { summary: "A path of it as an archive", query: "path", type: TAR }],
  ["HEAD /containers/:id/archive", { summary: "What a path of it is", query: "path" }],
  [
    "PUT /containers/:id/archive",
    {
      summary: "Extract an archive into it",
      query: "path,noOverwriteDirNonDir:boolean",
      takesArchive: true,
    },
  ],
  [
    "POST /commit",
    {
      summary: "Make an image of a container",
      query: "container,repo,tag,author,comment,pause:boolean,changes[]",
      decode: decodeCommit,
      status: 201,
    },
  ],
  [
    "POST /exec/:id/start",
    { summary: "Start a prepared process", decode: decodeExecStart, status: 101, type: STREAM },
  ],
  ["POST /exec/:id/resize", { summary: "Resize its terminal", query: "h:integer,w:integer" }],
  ["POST /exec/:id/kill", { summary: "Send it a signal", query: "signal", status: 204 }],
  ["GET /exec/:id/json", { summary: "Inspect it" }],

  [
    "GET /images/json",
    {
      summary: "List images",
      query: "all:boolean,filters,shared-size:boolean,manifests:boolean",
    },
  ],
  ["GET /images/search", { summary: "Search a registry", query: "term,limit:integer,filters" }],
  ["GET /images/get", { summary: "Save images", query: "names[],platform", type: TAR }],
  ["POST /images/load", { summary: "Load images", query: "platform", takesArchive: true }],
  [
    "POST /images/create",
    {
      summary: "Pull or import an image",
      query: "fromImage,fromSrc,repo,tag,message,platform,changes[]",
      takesArchive: true,
    },
  ],
  [
    "POST /images/prune",
    { summary: "Delete images that nobody uses", query: "filters,dry-run:boolean,after-containers:boolean" },
  ],
  ["GET /images/mounts", { summary: "Mounted images" }],
  ["POST /images/unmount", { summary: "Unmount an image", query: "directory,name,namespace" }],
  ["GET /images/*name/json", { summary: "Inspect an image", query: "platform,manifests:boolean" }],
  ["GET /images/*name/history", { summary: "How it was made", query: "platform" }],
  ["GET /images/*name/get", { summary: "Save an image", query: "platform", type: TAR }],
  ["GET /images/*name/changes", { summary: "How it differs from another", query: "base" }],
  ["POST /images/*name/push", { summary: "Push it to a registry", query: "tag,platform" }],
  ["POST /images/*name/tag", { summary: "Give it one more name", query: "repo,tag", status: 201 }],
  ["POST /images/*name/untag", { summary: "Take a name away" }],
  [
    "POST /images/*name/mount",
    { summary: "Show its files on the host", query: "directory,namespace,platform" },
  ],
  ["DELETE /images/*name", { summary: "Remove it", query: "force:boolean,platforms[]" }],

  ["GET /networks/", { summary: "List networks", query: "filters" }],
  ["GET /networks", { summary: "List networks", query: "filters" }],
  ["POST /networks/create", { summary: "Create a network", decode: decodeNetworkCreate, status: 201 }],
  ["POST /networks/prune", { summary: "Delete networks that nobody uses", query: "filters,dry-run:boolean" }],
  ["GET /networks/:id", { summary: "Inspect a network" }],
  ["DELETE /networks/:id", { summary: "Remove it", status: 204 }],
  ["POST /networks/:id/connect", { summary: "Connect a container", decode: decodeNetworkConnect }],
  ["POST /networks/:id/disconnect", { summary: "Disconnect a container", decode: decodeNetworkDisconnect }],

  ["GET /volumes", { summary: "List volumes", query: "filters" }],
  ["POST /volumes/create", { summary: "Create a volume", decode: decodeVolumeCreate, status: 201 }],
  ["POST /volumes/prune", { summary: "Delete volumes that nobody uses", query: "filters,dry-run:boolean" }],
  ["GET /volumes/:name", { summary: "Inspect a volume" }],
  ["PUT /volumes/:name", { summary: "Change a volume of a cluster: refused" }],
  ["DELETE /volumes/:name", { summary: "Remove it", query: "force:boolean", status: 204 }],

  ["GET /distribution/*name/json", { summary: "What a registry has by a name" }],
  ["GET /distribution/*name/tags", { summary: "Tags of a repository" }],
  ["GET /distribution/*name/manifest", { summary: "A manifest" }],
  ["POST /distribution/*name/manifest", { summary: "Put a manifest list", decode: decodeManifestPut }],
]);

export interface QueryParameter {
  readonly name: string;
  readonly type: "string" | "boolean" | "integer";
  readonly isList: boolean;
}

export function queryOf({ query = "" }: Operation): readonly QueryParameter[] {
  return query.split(",").flatMap((text): QueryParameter[] => {
    const [name = "", type = "string"] = text.split(":");
    if (name === "") return [];
    const isList = name.endsWith("[]");
    return [
      {
        name: isList ? name.slice(0, -2) : name,
        type: type === "boolean" || type === "integer" ? type : "string",
        isList,
      },
    ];
  });
}

const schemas = new Map<string, Schema>();

/** Of a route's JSON body; undefined when it has none, or nothing is known of it. */
export function bodySchema(route: string): Schema | undefined {
  const decode = OPERATIONS.get(route)?.decode;
  if (decode === undefined) return undefined;
  const known = schemas.get(route);
  if (known !== undefined) return known;
  const schema = schemaOf(decode);
  schemas.set(route, schema);
  return schema;
}
