import type { EngineClient } from "../../client/engine-client.ts";
import { fieldsOf, number, text } from "../../client/fields.ts";
import { messageOf } from "../../base/errors.ts";
import type { Cli } from "../cli.ts";
import { atLeast, type Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { type Flag, FlagSet } from "../flags.ts";
import { readEnvironment } from "../options/environment.ts";
import { checkEnvironmentVariable } from "../options/values.ts";
import { segment } from "./each.ts";
import { checkTty, detachKeys, followTerminalSize, runSession } from "./session.ts";

interface ExecFlags {
  readonly detach: Flag<boolean>;
  readonly detachKeys: Flag<string>;
  readonly env: Flag<readonly string[]>;
  readonly envFile: Flag<readonly string[]>;
  readonly interactive: Flag<boolean>;
  readonly privileged: Flag<boolean>;
  readonly tty: Flag<boolean>;
  readonly user: Flag<string>;
  readonly workdir: Flag<string>;
}

export function command(): Command {
  const flags = new FlagSet({ interspersed: false });
  const exec: ExecFlags = {
    detach: flags.bool("detach", false, "Detached mode: run command in the background", { short: "d" }),
    detachKeys: flags.string("detach-keys", "", "Override the key sequence for detaching a container"),
    env: flags.list("env", "Set environment variables", { short: "e", check: checkEnvironmentVariable }),
    envFile: flags.list("env-file", "Read in a file of environment variables"),
    interactive: flags.bool("interactive", false, "Keep STDIN open even if not attached", { short: "i" }),
    privileged: flags.bool("privileged", false, "Give extended privileges to the command"),
    tty: flags.bool("tty", false, "Allocate a pseudo-TTY", { short: "t" }),
    user: flags.string("user", "", 'Username or UID (format: "<name|uid>[:<group|gid>]")', { short: "u" }),
    workdir: flags.string("workdir", "", "Working directory inside the container", { short: "w" }),
  };
  return {
    usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
    flags,
    arguments: atLeast(2),
    needsOwnProcess: () => exec.interactive.value || exec.tty.value || exec.envFile.value.length > 0,
    run: (cli, words) => execute(cli, exec, words),
  };
}

async function execute(cli: Cli, flags: ExecFlags, words: readonly string[]): Promise<number> {
  const [name = "", ...command] = words;
  const detached = flags.detach.value;
  const tty = flags.tty.value;
  const stdin = flags.interactive.value && !detached;
  if (!detached) await checkTty(stdin, tty);
  const keys = await detachKeys(cli, flags.detachKeys.value);
  const environment = await readEnvironment(
    flags.envFile.value,
    flags.env.value,
    cli.invocation.environment,
  ).catch((error: unknown) => {
    throw new Exit(1, messageOf(error));
  });
  const size = tty && !detached ? await consoleSize() : undefined;
  const engine = await cli.engine();
  const created = fieldsOf(
    await engine.json({
      method: "POST",
      path: `/containers/${segment(name)}/exec`,
      json: {
        User: flags.user.value,
        Privileged: flags.privileged.value,
        Tty: tty,
        ...(size === undefined ? {} : { ConsoleSize: size }),
        AttachStdin: stdin,
        AttachStderr: !detached,
        AttachStdout: !detached,
        Detach: detached,
        DetachKeys: keys.text,
        Env: environment.length > 0 ? environment : null,
        WorkingDir: flags.workdir.value,
        Cmd: command,
      },
    }),
  );
  const id = text(created, "Id");
  if (id === "") throw new Exit(1, "exec ID empty");
  const start = {
    method: "POST",
    path: `/exec/${id}/start`,
    json: { Detach: detached, Tty: tty, ...(size === undefined ? {} : { ConsoleSize: size }) },
  } as const;
  if (detached) {
    await engine.run(start);
    return 0;
  }
  return attached(cli, engine, id, { start, tty, stdin, keys: keys.bytes });
}

async function consoleSize(): Promise<readonly [number, number]> {
  const { terminalSize } = await import("../terminal.ts");
  const { rows, columns } = terminalSize();
  return [rows, columns];
}

interface AttachedExec {
  readonly start: Parameters<EngineClient["hijack"]>[0];
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly keys: readonly number[];
}

async function attached(cli: Cli, engine: EngineClient, id: string, exec: AttachedExec): Promise<number> {
  const { tty, stdin, keys } = exec;
  const connection = await engine.hijack(exec.start);
  const session = runSession(cli, connection, { tty, stdin, detachKeys: keys });
  session.catch(() => {});
  const stopResizing = tty ? await followTerminalSize(engine, `/exec/${id}`) : () => {};
  try {
    if ((await session) === "detached") throw new Exit(1, "read escape sequence");
  } finally {
    stopResizing();
  }
  return number(fieldsOf(await engine.json({ method: "GET", path: `/exec/${id}/json` })), "ExitCode");
}
