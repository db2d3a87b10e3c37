/** What may stand where: of each command's words, and of the values of flags. */
import type { CommandEntry } from "../commands.ts";
import type { AnyFlag } from "../flags.ts";

export type Wish =
  | "containers"
  | "running"
  | "stopped"
  | "paused"
  | "images"
  | "networks"
  | "volumes"
  | "contexts"
  | "execs"
  | "objects"
  | "files"
  | "nothing"
  | readonly string[];

/** The words of a command in their order; the last one stands for all that follow. */
const ARGUMENTS: ReadonlyMap<string, readonly Wish[]> = new Map<string, readonly Wish[]>([
  ["container attach", ["running", "nothing"]],
  ["container commit", ["containers", "images", "nothing"]],
  ["container cp", ["containers", "containers", "nothing"]],
  ["container create", ["images", "nothing"]],
  ["container debug", ["containers", "nothing"]],
  ["container diff", ["containers", "nothing"]],
  ["container exec", ["running", "nothing"]],
  ["container export", ["containers", "nothing"]],
  ["container inspect", ["containers"]],
  ["container kill", ["running"]],
  ["container logs", ["containers", "nothing"]],
  ["container pause", ["running"]],
  ["container port", ["running", "nothing"]],
  ["container recreate", ["containers", "nothing"]],
  ["container rename", ["containers", "nothing"]],
  ["container restart", ["containers"]],
  ["container rm", ["containers"]],
  ["container run", ["images", "nothing"]],
  ["container start", ["stopped"]],
  ["container stats", ["running"]],
  ["container stop", ["running"]],
  ["container top", ["running", "nothing"]],
  ["container unpause", ["paused"]],
  ["container update", ["containers"]],
  ["container wait", ["running"]],
  ["context export", ["contexts", "files"]],
  ["context import", ["nothing", "files"]],
  ["context inspect", ["contexts"]],
  ["context rm", ["contexts"]],
  ["context update", ["contexts", "nothing"]],
  ["context use", ["contexts", "nothing"]],
  ["execs kill", ["execs"]],
  ["execs ls", ["running"]],
  ["image diff", ["images", "images", "nothing"]],
  ["image history", ["images", "nothing"]],
  ["image import", ["files", "images", "nothing"]],
  ["image inspect", ["images"]],
  ["image ls", ["images", "nothing"]],
  ["image mount", ["images", "nothing"]],
  ["image pull", ["images", "nothing"]],
  ["image push", ["images", "nothing"]],
  ["image rm", ["images"]],
  ["image save", ["images"]],
  ["image tag", ["images", "images", "nothing"]],
  ["image tree", ["images", "nothing"]],
  ["image unmount", ["images", "nothing"]],
  ["image untag", ["images"]],
  ["network connect", ["networks", "containers", "nothing"]],
  ["network disconnect", ["networks", "containers", "nothing"]],
  ["network inspect", ["networks"]],
  ["network rm", ["networks"]],
  ["volume inspect", ["volumes"]],
  ["volume rm", ["volumes"]],
  ["volume update", ["volumes", "nothing"]],
  [" inspect", ["objects"]],
  [" completion", [["bash", "fish", "zsh"], "nothing"]],
]);

/** `place`: how many words stand before. */
export function argumentWish(entry: CommandEntry, place: number): Wish {
  const wishes = ARGUMENTS.get(`${entry.parent} ${entry.names[0] ?? ""}`) ?? ["nothing"];
  return wishes[Math.min(place, wishes.length - 1)] ?? "nothing";
}

const SIGNALS = "ABRT ALRM CONT HUP INT KILL QUIT STOP TERM USR1 USR2 WINCH".split(" ");

/** Values of flags, by name; with the command before it where the same name means something else. */
const VALUES: ReadonlyMap<string, Wish> = new Map<string, Wish>([
  ["cidfile", "files"],
  ["config", "files"],
  ["context", "contexts"],
  ["env-file", "files"],
  ["file", "files"],
  ["input", "files"],
  ["label-file", "files"],
  ["output", "files"],
  ["tlscacert", "files"],
  ["tlscert", "files"],
  ["tlskey", "files"],
  ["cgroupns", ["host", "private"]],
  ["format", ["json"]],
  ["health-on-failure", ["none", "kill", "restart", "stop"]],
  ["image", "images"],
  ["ipc", ["host", "none", "private", "shareable"]],
  ["link", "containers"],
  ["log-driver", ["fluentd", "gelf", "journald", "json-file", "local", "none", "syslog"]],
  ["log-level", ["debug", "info", "warn", "error", "fatal"]],
  ["network", "networks"],
  ["pid", ["host"]],
  ["platform", ["linux/amd64", "linux/arm64"]],
  ["pull", ["always", "missing", "never"]],
  ["restart", ["always", "no", "on-failure", "unless-stopped"]],
  ["signal", SIGNALS],
  ["stop-signal", SIGNALS],
  ["type", ["container", "image", "network", "volume"]],
  ["userns", ["host"]],
  ["uts", ["host"]],
  ["volume", "volumes"],
  ["volumes-from", "containers"],
  ["network create --driver", ["bridge", "ipvlan", "macvlan"]],
  [
    "container ls --filter",
    keys("ancestor before exited expose health id label name network publish since status volume"),
  ],
  ["image ls --filter", keys("before dangling label reference since until")],
  ["network ls --filter", keys("dangling driver id label name scope type")],
  ["volume ls --filter", keys("dangling driver label name")],
  ["system events --filter", keys("container daemon event image label network scope type volume")],
]);

function keys(names: string): readonly string[] {
  return names.split(" ").map((name) => `${name}=`);
}

export function valueWish(entry: CommandEntry | undefined, flag: AnyFlag): Wish {
  const command = entry === undefined ? "" : `${entry.parent} ${entry.names[0] ?? ""} --${flag.name}`;
  return VALUES.get(command) ?? VALUES.get(flag.name) ?? "nothing";
}
