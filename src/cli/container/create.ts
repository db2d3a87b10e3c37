import type { Cli } from "../cli.ts";
import { proxiesFor } from "../config.ts";
import { atLeast, type Command } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { type ContainerFlags, containerFlags } from "../options/container-flags.ts";
import { createBody } from "../options/create-body.ts";
import { checkPullPolicy, createContainer, usageError } from "./create-container.ts";

export function command(): Command {
  const flags = new FlagSet({ interspersed: false });
  const container = containerFlags(flags, "creating");
  return {
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    flags,
    arguments: atLeast(1),
    run: (cli, words) => create(cli, container, words),
  };
}

async function create(cli: Cli, flags: ContainerFlags, words: readonly string[]): Promise<number> {
  const [image = "", ...command] = words;
  try {
    checkPullPolicy(flags.pull.value);
    const body = await createBody({
      image,
      command,
      flags,
      environment: cli.invocation.environment,
      workingDirectory: cli.invocation.workingDirectory,
      proxies: proxiesFor(await cli.config(), (await cli.address()).url),
      consoleSize: [0, 0],
      detached: false,
    });
    await cli.print(await createContainer(cli, await cli.engine(), flags, body, image));
    return 0;
  } catch (error) {
    throw usageError(cli, "create", error);
  }
}
