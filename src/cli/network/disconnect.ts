import { type Command, exactly } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { networkPath } from "./path.ts";

export function command(): Command {
  const flags = new FlagSet();
  const force = flags.bool("force", false, "Force the container to disconnect from a network", {
    short: "f",
  });
  return {
    usage: "[OPTIONS] NETWORK CONTAINER",
    flags,
    arguments: exactly(2),
    async run(cli, [network = "", container = ""]) {
      if (container.trim() === "") throw new Exit(1, "invalid container name or ID: value is empty");
      const engine = await cli.engine();
      await engine.run({
        method: "POST",
        path: `${networkPath(network)}/disconnect`,
        json: { Container: container, Force: force.value },
      });
      return 0;
    },
  };
}
