import { ResponseError } from "../../client/response-error.ts";
import type { Cli } from "../cli.ts";
import { proxiesFor } from "../config.ts";
import { atLeast, type Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { type Flag, FlagSet } from "../flags.ts";
import { type ContainerFlags, containerFlags, createNeedsOwnProcess } from "../options/container-flags.ts";
import { type CreateBody, createBody } from "../options/create-body.ts";
import { startAttached } from "./attached-start.ts";
import { checkPullPolicy, createContainer, startFailureStatus, usageError } from "./create-container.ts";
import { checkTty } from "./session.ts";

interface RunFlags {
  readonly container: ContainerFlags;
  readonly detach: Flag<boolean>;
  readonly detachKeys: Flag<string>;
  readonly sigProxy: Flag<boolean>;
}

export function command(): Command {
  const flags = new FlagSet({ interspersed: false });
  const run: RunFlags = {
    container: containerFlags(flags, "running"),
    detach: flags.bool("detach", false, "Run container in background and print container ID", { short: "d" }),
    detachKeys: flags.string("detach-keys", "", "Override the key sequence for detaching a container"),
    sigProxy: flags.bool("sig-proxy", true, "Proxy received signals to the process"),
  };
  return {
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    flags,
    arguments: atLeast(1),
    reportsAsRun: true,
    needsOwnProcess: () => createNeedsOwnProcess(run.container),
    run: (cli, words) => runContainer(cli, run, words),
  };
}

async function runContainer(cli: Cli, flags: RunFlags, words: readonly string[]): Promise<number> {
  const [image = "", ...rest] = words;
  const { container } = flags;
  const body = await prepareBody(cli, flags, image, rest);
  const engine = await cli.engine();
  const attached = body.AttachStdin || body.AttachStdout || body.AttachStderr;
  const id = await createContainer(cli, engine, container, body, image).catch((error: unknown) => {
    throw usageError(cli, "run", error);
  });
  try {
    if (attached)
      return await startAttached(cli, engine, {
        id,
        tty: body.Tty,
        stdin: body.AttachStdin,
        stdout: body.AttachStdout,
        stderr: body.AttachStderr,
        removes: body.HostConfig.AutoRemove,
        detachKeys: flags.detachKeys.value,
        sigProxy: flags.sigProxy.value,
      });
    await engine.run({ method: "POST", path: `/containers/${id}/start` });
  } catch (error) {
    throw startFailure(cli, error);
  }
  if (flags.detach.value) await cli.print(id);
  return 0;
}

async function prepareBody(
  cli: Cli,
  flags: RunFlags,
  image: string,
  command: readonly string[],
): Promise<CreateBody> {
  const { container } = flags;
  const detached = flags.detach.value;
  if (detached && container.attach.value.length > 0) throw new Exit(1, "Conflicting options: -a and -d");
  try {
    checkPullPolicy(container.pull.value);
    const body = await createBody({
      image,
      command,
      flags: container,
      environment: cli.invocation.environment,
      workingDirectory: cli.invocation.workingDirectory,
      proxies: proxiesFor(await cli.config(), (await cli.address()).url),
      consoleSize: container.tty.value ? await consoleSize() : [0, 0],
      detached,
    });
    await checkTty(body.AttachStdin, body.Tty);
    return body;
  } catch (error) {
    throw usageError(cli, "run", error);
  }
}

async function consoleSize(): Promise<[number, number]> {
  const { terminalSize } = await import("../terminal.ts");
  const { rows, columns } = terminalSize();
  return [rows, columns];
}

/** The engine could not start the container: the status says whether its command is at fault. */
function startFailure(cli: Cli, error: unknown): unknown {
  if (!(error instanceof ResponseError)) return error;
  return new Exit(
    startFailureStatus(error.message),
    `${cli.program}: Error response from daemon: ${error.message}\n\nRun '${cli.program} run --help' for more information`,
  );
}
