import { child, type Fields, fieldsOf, flag, text } from "../../client/fields.ts";
import { type Command, exactly } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { exitStatus } from "./attached-start.ts";
import { segment } from "./each.ts";
import { checkTty, detachKeys, followTerminalSize, runSession } from "./session.ts";
import { proxySignals } from "./signals.ts";

export function command(): Command {
  const flags = new FlagSet();
  const keysFlag = flags.string("detach-keys", "", "Override the key sequence for detaching a container");
  const noStdin = flags.bool("no-stdin", false, "Do not attach STDIN");
  const sigProxy = flags.bool("sig-proxy", true, "Proxy all received signals to the process");
  return {
    usage: "[OPTIONS] CONTAINER",
    flags,
    arguments: exactly(1),
    async run(cli, [name = ""]) {
      const engine = await cli.engine();
      const container = fieldsOf(
        await engine.json({ method: "GET", path: `/containers/${segment(name)}/json` }),
      );
      checkAttachable(child(container, "State"));
      const id = text(container, "Id");
      const tty = flag(child(container, "Config"), "Tty");
      const stdin = !noStdin.value && flag(child(container, "Config"), "OpenStdin");
      await checkTty(stdin, tty);
      const keys = await detachKeys(cli, keysFlag.value);
      engine.prepare(2);
      const [waited, connection] = await Promise.all([
        engine.call({ method: "POST", path: `/containers/${id}/wait` }),
        engine.hijack({
          method: "POST",
          path: `/containers/${id}/attach`,
          query: {
            stream: 1,
            stdin: stdin ? 1 : undefined,
            stdout: 1,
            stderr: 1,
            detachKeys: keys.text || undefined,
          },
        }),
      ]);
      const status = exitStatus(waited.body);
      status.catch(() => {});
      const stopProxy = sigProxy.value && !tty ? proxySignals(cli, engine, id) : () => {};
      const stopResizing = tty
        ? await followTerminalSize(engine, `/containers/${id}`, { redraw: true })
        : () => {};
      try {
        const ending = await runSession(cli, connection, { tty, stdin, detachKeys: keys.bytes });
        if (ending === "ended") return await status;
        throw new Exit(1, "read escape sequence");
      } finally {
        stopResizing();
        stopProxy();
      }
    },
  };
}

function checkAttachable(state: Fields): void {
  if (!flag(state, "Running")) throw new Exit(1, "You cannot attach to a stopped container, start it first");
  if (flag(state, "Paused")) throw new Exit(1, "You cannot attach to a paused container, unpause it first");
  if (flag(state, "Restarting"))
    throw new Exit(1, "You cannot attach to a restarting container, wait until it is running");
}
