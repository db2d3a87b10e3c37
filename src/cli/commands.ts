/**
 * Every command: its places in the command tree, its line in the help, and the module that does it, loaded only when the
 * command is used.
 */
import type { Command } from "./command.ts";

export interface CommandEntry {
  /** The management command it belongs to, "" for a top-level one. */
  readonly parent:
    | ""
    | "container"
    | "context"
    | "execs"
    | "image"
    | "manifest"
    | "network"
    | "system"
    | "volume";
  /** Its spellings below the parent, the main one first. */
  readonly names: readonly string[];
  /** Its spelling at the top level, "" for none. */
  readonly top: string;
  readonly summary: string;
  /** True for those that no help lists. */
  readonly hidden?: boolean;
  /** True for those that `gantry --help` lists first. */
  readonly common?: boolean;
  /** Connections that it uses at the same time, when not one: they are opened while its module is loaded. */
  readonly connections?: number;
  readonly load: () => Promise<{ command(): Command }>;
}

export const MANAGEMENT: ReadonlyMap<string, string> = new Map([
  ["container", "Manage containers"],
  ["context", "Manage contexts"],
  ["execs", "Manage processes that exec has started"],
  ["image", "Manage images"],
  ["manifest", "Manage image manifests and manifest lists"],
  ["network", "Manage networks"],
  ["system", "Manage Gantry"],
  ["volume", "Manage volumes"],
]);

/** Words that make this program another one (src/cmd/main.ts): here for the help alone. */
export const SERVERS: ReadonlyMap<string, string> = new Map([["registry", "Serve images to others"]]);

export const COMMANDS: readonly CommandEntry[] = [
  {
    parent: "container",
    names: ["run"],
    top: "run",
    summary: "Create and run a new container from an image",
    common: true,
    connections: 3,
    load: () => import("./container/run.ts"),
  },
  {
    parent: "container",
    names: ["exec"],
    top: "exec",
    summary: "Execute a command in a running container",
    common: true,
    load: () => import("./container/exec.ts"),
  },
  {
    parent: "container",
    names: ["ls", "list", "ps"],
    top: "ps",
    summary: "List containers",
    common: true,
    load: () => import("./container/list.ts"),
  },
  {
    parent: "image",
    names: ["pull"],
    top: "pull",
    summary: "Download an image from a registry",
    common: true,
    load: () => import("./image/pull.ts"),
  },
  {
    parent: "image",
    names: ["push"],
    top: "push",
    summary: "Upload an image to a registry",
    common: true,
    load: () => import("./image/push.ts"),
  },
  {
    parent: "image",
    names: ["ls", "list"],
    top: "images",
    summary: "List images",
    common: true,
    load: () => import("./image/list.ts"),
  },
  {
    parent: "",
    names: ["login"],
    top: "login",
    summary: "Authenticate to a registry",
    common: true,
    load: () => import("./registry/login.ts"),
  },
  {
    parent: "",
    names: ["logout"],
    top: "logout",
    summary: "Log out from a registry",
    common: true,
    load: () => import("./registry/logout.ts"),
  },
  {
    parent: "",
    names: ["search"],
    top: "search",
    summary: "Search Docker Hub for images",
    common: true,
    load: () => import("./registry/search.ts"),
  },
  {
    parent: "",
    names: ["version"],
    top: "version",
    summary: "Show the Gantry version information",
    common: true,
    load: () => import("./system/version.ts"),
  },
  {
    parent: "system",
    names: ["info"],
    top: "info",
    summary: "Display system-wide information",
    common: true,
    load: () => import("./system/info.ts"),
  },
  {
    parent: "container",
    names: ["attach"],
    top: "attach",
    summary: "Attach local standard input, output, and error streams to a running container",
    load: () => import("./container/attach.ts"),
  },
  {
    parent: "container",
    names: ["commit"],
    top: "commit",
    summary: "Create a new image from a container's changes",
    load: () => import("./container/commit.ts"),
  },
  {
    parent: "container",
    names: ["cp"],
    top: "cp",
    summary: "Copy files/folders between a container and the local filesystem",
    load: () => import("./container/copy.ts"),
  },
  {
    parent: "",
    names: ["completion"],
    top: "completion",
    summary: "Print a script that completes this program's command lines in a shell",
    load: () => import("./completion/command.ts"),
  },
  {
    parent: "container",
    names: ["create"],
    top: "create",
    summary: "Create a new container",
    load: () => import("./container/create.ts"),
  },
  {
    parent: "container",
    names: ["debug"],
    top: "debug",
    summary: "Run the tools of an image beside the processes of a running container",
    connections: 3,
    load: () => import("./container/debug.ts"),
  },
  {
    parent: "container",
    names: ["diff"],
    top: "diff",
    summary: "Inspect changes to files or directories on a container's filesystem",
    load: () => import("./container/diff.ts"),
  },
  {
    parent: "image",
    names: ["diff"],
    top: "",
    summary: "Inspect how the filesystems of two images, or of an image and what it stands on, differ",
    load: () => import("./image/diff.ts"),
  },
  {
    parent: "system",
    names: ["check"],
    top: "",
    summary: "Check what is stored, and repair it",
    load: () => import("./system/check.ts"),
  },
  {
    parent: "system",
    names: ["df"],
    top: "",
    summary: "Show Gantry disk usage",
    load: () => import("./system/df.ts"),
  },
  {
    parent: "system",
    names: ["events"],
    top: "events",
    summary: "Get real time events from the server",
    load: () => import("./system/events.ts"),
  },
  {
    parent: "execs",
    names: ["ls", "list"],
    top: "",
    summary: "List processes that exec has started",
    load: () => import("./execs/list.ts"),
  },
  {
    parent: "execs",
    names: ["kill"],
    top: "",
    summary: "Kill one or more processes that exec has started",
    load: () => import("./execs/kill.ts"),
  },
  {
    parent: "container",
    names: ["export"],
    top: "export",
    summary: "Export a container's filesystem as a tar archive",
    load: () => import("./container/export.ts"),
  },
  {
    parent: "image",
    names: ["history"],
    top: "history",
    summary: "Show the history of an image",
    load: () => import("./image/history.ts"),
  },
  {
    parent: "image",
    names: ["import"],
    top: "import",
    summary: "Import the contents from a tarball to create a filesystem image",
    load: () => import("./image/import.ts"),
  },
  {
    parent: "",
    names: ["inspect"],
    top: "inspect",
    summary: "Return low-level information on Gantry objects",
    load: () => import("./system/inspect.ts"),
  },
  {
    parent: "container",
    names: ["inspect"],
    top: "",
    summary: "Display detailed information on one or more containers",
    load: () => import("./container/inspect.ts"),
  },
  {
    parent: "image",
    names: ["inspect"],
    top: "",
    summary: "Display detailed information on one or more images",
    load: () => import("./image/inspect.ts"),
  },
  {
    parent: "container",
    names: ["kill"],
    top: "kill",
    summary: "Kill one or more running containers",
    load: () => import("./container/kill.ts"),
  },
  {
    parent: "image",
    names: ["load"],
    top: "load",
    summary: "Load an image from a tar archive or STDIN",
    load: () => import("./image/load.ts"),
  },
  {
    parent: "container",
    names: ["logs"],
    top: "logs",
    summary: "Fetch the logs of a container",
    connections: 2,
    load: () => import("./container/logs.ts"),
  },
  {
    parent: "image",
    names: ["mount"],
    top: "",
    summary: "Mount an image's root filesystem read-only, or list those that are mounted",
    load: () => import("./image/mount.ts"),
  },
  {
    parent: "container",
    names: ["pause"],
    top: "pause",
    summary: "Pause all processes within one or more containers",
    load: () => import("./container/pause.ts"),
  },
  {
    parent: "container",
    names: ["port"],
    top: "port",
    summary: "List port mappings or a specific mapping for the container",
    load: () => import("./container/port.ts"),
  },
  {
    parent: "container",
    names: ["prune"],
    top: "",
    summary: "Remove all stopped containers",
    load: () => import("./container/prune.ts"),
  },
  {
    parent: "image",
    names: ["prune"],
    top: "",
    summary: "Remove unused images",
    load: () => import("./image/prune.ts"),
  },
  {
    parent: "system",
    names: ["prune"],
    top: "",
    summary: "Remove unused data",
    load: () => import("./system/prune.ts"),
  },
  {
    parent: "container",
    names: ["recreate"],
    top: "recreate",
    summary: "Put a new container in the place of one, with another image or environment",
    load: () => import("./container/recreate.ts"),
  },
  {
    parent: "container",
    names: ["rename"],
    top: "rename",
    summary: "Rename a container",
    load: () => import("./container/rename.ts"),
  },
  {
    parent: "container",
    names: ["restart"],
    top: "restart",
    summary: "Restart one or more containers",
    load: () => import("./container/restart.ts"),
  },
  {
    parent: "container",
    names: ["rm", "remove"],
    top: "rm",
    summary: "Remove one or more containers",
    load: () => import("./container/remove.ts"),
  },
  {
    parent: "image",
    names: ["rm", "remove"],
    top: "rmi",
    summary: "Remove one or more images",
    load: () => import("./image/remove.ts"),
  },
  {
    parent: "image",
    names: ["save"],
    top: "save",
    summary: "Save one or more images to a tar archive (streamed to STDOUT by default)",
    load: () => import("./image/save.ts"),
  },
  {
    parent: "container",
    names: ["start"],
    top: "start",
    summary: "Start one or more stopped containers",
    load: () => import("./container/start.ts"),
  },
  {
    parent: "container",
    names: ["stats"],
    top: "stats",
    summary: "Display a live stream of container(s) resource usage statistics",
    load: () => import("./container/stats.ts"),
  },
  {
    parent: "container",
    names: ["stop"],
    top: "stop",
    summary: "Stop one or more running containers",
    load: () => import("./container/stop.ts"),
  },
  {
    parent: "image",
    names: ["tags"],
    top: "",
    summary: "List the tags of a repository at its registry",
    load: () => import("./image/tags.ts"),
  },
  {
    parent: "image",
    names: ["tree"],
    top: "",
    summary: "Show the layers of an image and who shares them",
    load: () => import("./image/tree.ts"),
  },
  {
    parent: "image",
    names: ["untag"],
    top: "",
    summary: "Remove names of images and nothing else",
    load: () => import("./image/untag.ts"),
  },
  {
    parent: "manifest",
    names: ["create"],
    top: "",
    summary: "Create a local manifest list for annotating and pushing to a registry",
    load: () => import("./manifest/create.ts"),
  },
  {
    parent: "manifest",
    names: ["annotate"],
    top: "",
    summary: "Add additional information to a local image manifest",
    load: () => import("./manifest/annotate.ts"),
  },
  {
    parent: "manifest",
    names: ["inspect"],
    top: "",
    summary: "Display an image manifest, or manifest list",
    load: () => import("./manifest/inspect.ts"),
  },
  {
    parent: "manifest",
    names: ["push"],
    top: "",
    summary: "Push a manifest list to a repository",
    load: () => import("./manifest/push.ts"),
  },
  {
    parent: "manifest",
    names: ["rm"],
    top: "",
    summary: "Delete one or more manifest lists from local storage",
    load: () => import("./manifest/remove.ts"),
  },
  {
    parent: "network",
    names: ["connect"],
    top: "",
    summary: "Connect a container to a network",
    load: () => import("./network/connect.ts"),
  },
  {
    parent: "network",
    names: ["create"],
    top: "",
    summary: "Create a network",
    load: () => import("./network/create.ts"),
  },
  {
    parent: "network",
    names: ["disconnect"],
    top: "",
    summary: "Disconnect a container from a network",
    load: () => import("./network/disconnect.ts"),
  },
  {
    parent: "network",
    names: ["inspect"],
    top: "",
    summary: "Display detailed information on one or more networks",
    load: () => import("./network/inspect.ts"),
  },
  {
    parent: "network",
    names: ["ls", "list"],
    top: "",
    summary: "List networks",
    load: () => import("./network/list.ts"),
  },
  {
    parent: "network",
    names: ["prune"],
    top: "",
    summary: "Remove all unused networks",
    load: () => import("./network/prune.ts"),
  },
  {
    parent: "network",
    names: ["rm", "remove"],
    top: "",
    summary: "Remove one or more networks",
    load: () => import("./network/remove.ts"),
  },
  {
    parent: "image",
    names: ["tag"],
    top: "tag",
    summary: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    load: () => import("./image/tag.ts"),
  },
  {
    parent: "container",
    names: ["top"],
    top: "top",
    summary: "Display the running processes of a container",
    load: () => import("./container/top.ts"),
  },
  {
    parent: "image",
    names: ["unmount"],
    top: "",
    summary: "Unmount an image's root filesystem",
    load: () => import("./image/unmount.ts"),
  },
  {
    parent: "container",
    names: ["unpause"],
    top: "unpause",
    summary: "Unpause all processes within one or more containers",
    load: () => import("./container/unpause.ts"),
  },
  {
    parent: "container",
    names: ["update"],
    top: "update",
    summary: "Update configuration of one or more containers",
    load: () => import("./container/update.ts"),
  },
  {
    parent: "volume",
    names: ["create"],
    top: "",
    summary: "Create a volume",
    load: () => import("./volume/create.ts"),
  },
  {
    parent: "volume",
    names: ["inspect"],
    top: "",
    summary: "Display detailed information on one or more volumes",
    load: () => import("./volume/inspect.ts"),
  },
  {
    parent: "volume",
    names: ["ls", "list"],
    top: "",
    summary: "List volumes",
    load: () => import("./volume/list.ts"),
  },
  {
    parent: "volume",
    names: ["prune"],
    top: "",
    summary: "Remove unused local volumes",
    load: () => import("./volume/prune.ts"),
  },
  {
    parent: "volume",
    names: ["rm", "remove"],
    top: "",
    summary: "Remove one or more volumes",
    load: () => import("./volume/remove.ts"),
  },
  {
    parent: "container",
    names: ["wait"],
    top: "wait",
    summary: "Block until one or more containers stop, then print their exit codes",
    load: () => import("./container/wait.ts"),
  },
  {
    parent: "context",
    names: ["create"],
    top: "",
    summary: "Create a context",
    connections: 0,
    load: () => import("./context/create.ts"),
  },
  {
    parent: "context",
    names: ["export"],
    top: "",
    summary: "Export a context to a tar archive FILE or a tar stream on STDOUT.",
    connections: 0,
    load: () => import("./context/export.ts"),
  },
  {
    parent: "context",
    names: ["import"],
    top: "",
    summary: "Import a context from a tar file",
    connections: 0,
    load: () => import("./context/import.ts"),
  },
  {
    parent: "context",
    names: ["inspect"],
    top: "",
    summary: "Display detailed information on one or more contexts",
    connections: 0,
    load: () => import("./context/inspect.ts"),
  },
  {
    parent: "context",
    names: ["ls", "list"],
    top: "",
    summary: "List contexts",
    connections: 0,
    load: () => import("./context/list.ts"),
  },
  {
    parent: "context",
    names: ["rm", "remove"],
    top: "",
    summary: "Remove one or more contexts",
    connections: 0,
    load: () => import("./context/remove.ts"),
  },
  {
    parent: "context",
    names: ["show"],
    top: "",
    summary: "Print the name of the current context",
    connections: 0,
    load: () => import("./context/show.ts"),
  },
  {
    parent: "context",
    names: ["update"],
    top: "",
    summary: "Update a context",
    connections: 0,
    load: () => import("./context/update.ts"),
  },
  {
    parent: "context",
    names: ["use"],
    top: "",
    summary: "Set the current context",
    connections: 0,
    load: () => import("./context/use.ts"),
  },
  {
    parent: "system",
    names: ["dial-stdio"],
    top: "",
    summary: "Proxy the stdio stream to the engine connection",
    hidden: true,
    connections: 0,
    load: () => import("./system/dial-stdio.ts"),
  },
];

/** The command that a top-level word means. */
export function topLevel(word: string): CommandEntry | undefined {
  return COMMANDS.find((entry) => entry.top === word);
}

/** The command that a word below a management command means. */
export function below(parent: string, word: string): CommandEntry | undefined {
  return COMMANDS.find((entry) => entry.parent === parent && entry.names.includes(word));
}
