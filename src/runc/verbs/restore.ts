import type { Verb } from "../context.ts";
import { CRIU_FLAGS } from "../criu.ts";
import { restoreContainer } from "../restore-container.ts";

export const verb: Verb = {
  summary: "bring a container back from a checkpoint; needs criu",
  usage: "<container-id>",
  flags: [
    ...CRIU_FLAGS,
    { names: ["bundle", "b"], kind: "text", help: "directory of the bundle (default: the current one)" },
    { names: ["console-socket"], kind: "text", refused: "a container with a terminal cannot be restored" },
    { names: ["detach", "d"], kind: "switch", help: "return when the container runs" },
    { names: ["keep"], kind: "switch", help: "do not delete the container when it has ended" },
    { names: ["pid-file"], kind: "text", help: "write the process id there" },
    { names: ["no-subreaper"], kind: "switch", help: "do not reap processes that lost their parent" },
    { names: ["no-pivot"], kind: "switch", refused: "without pivot_root the host's files can be reached" },
    { names: ["lsm-profile"], kind: "text", help: "TYPE:NAME of another security profile" },
    { names: ["lsm-mount-context"], kind: "text", help: "another SELinux context for mounts that have one" },
  ],
  least: 1,
  most: 1,
  failurePrefix: "restore failed: ",
  run: (context, { flags, args }) => restoreContainer(context, flags, args[0] ?? ""),
};
