import { child, children, type Fields, fieldsOf, text } from "../../client/fields.ts";
import type { Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { portNumberError } from "../options/ports.ts";
import { compareNatural } from "../output/natural-order.ts";
import { segment } from "./each.ts";

export function command(): Command {
  return {
    usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
    flags: new FlagSet(),
    arguments: { least: 1, most: 2 },
    async run(cli, [name = "", wanted = ""]) {
      const engine = await cli.engine();
      const container = fieldsOf(
        await engine.json({ method: "GET", path: `/containers/${segment(name)}/json` }),
      );
      const ports = child(child(container, "NetworkSettings"), "Ports");
      const lines = wanted === "" ? allPorts(ports) : onePort(ports, wanted, name);
      if (lines.length > 0) await cli.print([...lines].sort(compareNatural).join("\n"));
      return 0;
    },
  };
}

/** "0.0.0.0:8080", "[::]:8080" */
function bindings(ports: Fields, port: string): string[] {
  return children(ports, port).map((binding) => {
    const ip = text(binding, "HostIp");
    return `${ip.includes(":") ? `[${ip}]` : ip}:${text(binding, "HostPort")}`;
  });
}

function allPorts(ports: Fields): string[] {
  return Object.keys(ports).flatMap((port) =>
    bindings(ports, port).map((binding) => `${port} -> ${binding}`),
  );
}

function onePort(ports: Fields, wanted: string, name: string): string[] {
  const [port = "", protocol = ""] = wanted.split("/", 2);
  const error = portNumberError(port);
  if (error !== undefined) throw new Exit(1, `Error: invalid port (${port}): ${error}`);
  const found = bindings(ports, `${port}/${(protocol === "" ? "tcp" : protocol).toLowerCase()}`);
  if (found.length === 0) throw new Exit(1, `Error: No public port '${wanted}' published for ${name}`);
  return found;
}
