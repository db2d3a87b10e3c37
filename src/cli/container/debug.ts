/**
 * `gantry debug`: the tools of one image inside another's container, for containers without a shell. A container of its own
 * that has the target's processes and network and sees its files below $ROOT: nothing is put into the target, nothing of it is
 * run, and what the tools may do is what any container may, and look at the target's processes.
 */
import { isCategory } from "../../base/errors.ts";
import type { EngineClient } from "../../client/engine-client.ts";
import { child, type Fields, fieldsOf, flag, number, text, textList } from "../../client/fields.ts";
import { atLeast, type Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { imagePath } from "../image/path.ts";
import { checkEnvironmentVariable } from "../options/values.ts";
import { isTerminal } from "../terminal.ts";
import { segment } from "./each.ts";
import { command as runCommand } from "./run.ts";

const DEFAULT_IMAGE = "busybox";

export function command(): Command {
  const flags = new FlagSet({ interspersed: false });
  const wishes = {
    env: flags.list("env", "Set environment variables", { short: "e", check: checkEnvironmentVariable }),
    image: flags.string("image", DEFAULT_IMAGE, "Image that has the tools"),
    pull: flags.string("pull", "missing", 'Pull the image before ("always", "missing", "never")'),
    user: flags.string("user", "", "Username or UID of the tools (format: <name|uid>[:<group|gid>])", {
      short: "u",
    }),
  };
  return {
    usage: "[OPTIONS] CONTAINER [COMMAND] [ARG...]",
    flags,
    arguments: atLeast(1),
    reportsAsRun: true,
    async run(cli, [name = "", ...words]) {
      const engine = await cli.engine();
      const target = await runningContainer(engine, name);
      const isInteractive = (await isTerminal(0)) && (await isTerminal(1));
      const { root, flags: join } = joining(target);
      if (isInteractive)
        await cli.warn(`The files of ${text(target, "Name").slice(1)} are at $ROOT, which is ${root}.`);
      const run = runCommand();
      const rest = run.flags.parse([
        ...join,
        isInteractive ? "-it" : "-i",
        ...wishes.env.value.map((variable) => `--env=${variable}`),
        `--user=${wishes.user.value}`,
        `--pull=${wishes.pull.value}`,
        "--",
        wishes.image.value,
        ...(words.length > 0 ? words : await shellFor(engine, wishes.image.value)),
      ]);
      return run.run(cli, rest);
    },
  };
}

/** What an image of tools that says nothing itself is asked for; an imported root has no command, for example. */
async function shellFor(engine: EngineClient, image: string): Promise<readonly string[]> {
  try {
    const answer = await engine.json({ method: "GET", path: `${imagePath(image)}/json` });
    const config = child(fieldsOf(answer), "Config");
    return [...textList(config, "Entrypoint"), ...textList(config, "Cmd")].length > 0 ? [] : ["sh"];
  } catch (error) {
    if (isCategory(error, "not_found")) return []; // It is fetched first, and says so when it has no command.
    throw error;
  }
}

async function runningContainer(engine: EngineClient, name: string): Promise<Fields> {
  const target = fieldsOf(await engine.json({ method: "GET", path: `/containers/${segment(name)}/json` }));
  if (!flag(child(target, "State"), "Running"))
    throw new Exit(125, `container ${name} is not running: there are no processes to join`);
  return target;
}

/**
 * The flags of a `run` that joins it, and where its files are. With the host's processes before it, a debugger is not given
 * the right to look into those.
 */
export function joining(target: Fields): { readonly root: string; readonly flags: readonly string[] } {
  const id = text(target, "Id");
  const pidMode = text(child(target, "HostConfig"), "PidMode");
  if (pidMode.startsWith("container:"))
    throw new Exit(
      125,
      `container ${text(target, "Name").slice(1)} has the processes of container ${pidMode.slice("container:".length, 22)}: debug that one`,
    );
  const isHost = pidMode === "host";
  const root = `/proc/${isHost ? number(child(target, "State"), "Pid") : 1}/root`;
  return {
    root,
    flags: [
      "--rm",
      `--pid=container:${id}`,
      `--network=container:${id}`,
      ...(isHost ? [] : ["--cap-add=SYS_PTRACE"]),
      `--label=gantry.debug=${id}`,
      `--env=ROOT=${root}`,
    ],
  };
}
