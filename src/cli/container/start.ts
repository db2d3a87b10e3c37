import type { EngineClient } from "../../client/engine-client.ts";
import { child, fieldsOf, flag, text } from "../../client/fields.ts";
import type { Cli } from "../cli.ts";
import { atLeast, type Command } from "../command.ts";
import { describe } from "../dispatch.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { startAttached } from "./attached-start.ts";
import { segment } from "./each.ts";
import { checkTty } from "./session.ts";

export function command(): Command {
  const flags = new FlagSet();
  const attach = flags.bool("attach", false, "Attach STDOUT/STDERR and forward signals", { short: "a" });
  const checkpoint = flags.string("checkpoint", "", "Restore from this checkpoint", { hidden: true });
  const checkpointDir = flags.string("checkpoint-dir", "", "Use a custom checkpoint storage directory", {
    hidden: true,
  });
  const keys = flags.string("detach-keys", "", "Override the key sequence for detaching a container");
  const interactive = flags.bool("interactive", false, "Attach container's STDIN", { short: "i" });
  return {
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    flags,
    arguments: atLeast(1),
    needsOwnProcess: () => attach.value || interactive.value,
    async run(cli, words) {
      if (checkpoint.changed || checkpointDir.changed)
        throw new Exit(1, "checkpoints are not supported yet: --checkpoint");
      const engine = await cli.engine();
      if (!attach.value && !interactive.value) return startAll(cli, engine, words);
      const [name = "", ...more] = words;
      if (more.length > 0) throw new Exit(1, "you cannot start and attach multiple containers at once");
      const container = fieldsOf(
        await engine.json({ method: "GET", path: `/containers/${segment(name)}/json` }),
      );
      const config = child(container, "Config");
      const tty = flag(config, "Tty");
      const stdin = interactive.value && flag(config, "OpenStdin");
      await checkTty(stdin, tty);
      engine.prepare(2);
      return startAttached(cli, engine, {
        id: text(container, "Id"),
        tty,
        stdin,
        stdout: true,
        stderr: true,
        removes: flag(child(container, "HostConfig"), "AutoRemove"),
        detachKeys: keys.value,
        sigProxy: true,
      });
    },
  };
}

/** One after the other, because a container may need the one before it. */
async function startAll(cli: Cli, engine: EngineClient, names: readonly string[]): Promise<number> {
  const failed: string[] = [];
  for (const name of names) {
    try {
      await engine.run({ method: "POST", path: `/containers/${segment(name)}/start` });
      await cli.print(name);
    } catch (error) {
      await cli.warn(describe(error));
      failed.push(name);
    }
  }
  if (failed.length > 0) throw new Exit(1, `Error: failed to start containers: ${failed.join(", ")}`);
  return 0;
}
