import { messageOf } from "../../base/errors.ts";
import type { Cli } from "../cli.ts";
import { proxiesFor } from "../config.ts";
import { atLeast, type Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { type ContainerFlags, containerFlags, createNeedsOwnProcess } from "../options/container-flags.ts";
import { type CreateBody, createBody } from "../options/create-body.ts";
import { checkPullPolicy, createContainer, usageError } from "./create-container.ts";

export function command(): Command {
  const flags = new FlagSet({ interspersed: false });
  const container = containerFlags(flags, "creating");
  return {
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    flags,
    arguments: atLeast(1),
    needsOwnProcess: () => createNeedsOwnProcess(container),
    run: (cli, words) => create(cli, container, words),
  };
}

async function create(cli: Cli, flags: ContainerFlags, words: readonly string[]): Promise<number> {
  const [image = "", ...command] = words;
  const body = await bodyOf(cli, flags, image, command);
  try {
    await cli.print(await createContainer(cli, await cli.engine(), flags, body, image));
    return 0;
  } catch (error) {
    // The flags were fine by themselves.
    const usage = usageError(cli, "create", error);
    throw usage === error ? error : new Exit(1, messageOf(error));
  }
}

async function bodyOf(
  cli: Cli,
  flags: ContainerFlags,
  image: string,
  command: readonly string[],
): Promise<CreateBody> {
  try {
    checkPullPolicy(flags.pull.value);
    return await createBody({
      image,
      command,
      flags,
      environment: cli.invocation.environment,
      workingDirectory: cli.invocation.workingDirectory,
      proxies: proxiesFor(await cli.config(), (await cli.address()).url),
      consoleSize: [0, 0],
      detached: false,
    });
  } catch (error) {
    throw usageError(cli, "create", error);
  }
}
