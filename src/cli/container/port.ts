import { child, children, type Fields, fieldsOf, isFields, text } from "../../client/fields.ts";
import type { Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { segment } from "./each.ts";

export function command(): Command {
  return {
    usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
    flags: new FlagSet(),
    arguments: { least: 1, most: 2 },
    async run(cli, [name = "", wanted]) {
      const engine = await cli.engine();
      const container = fieldsOf(
        await engine.json({ method: "GET", path: `/containers/${segment(name)}/json` }),
      );
      const ports = child(child(container, "NetworkSettings"), "Ports");
      const lines = wanted === undefined ? allPorts(ports) : onePort(ports, wanted, name);
      if (lines.length > 0) await cli.print(lines.join("\n"));
      return 0;
    },
  };
}

function bindings(ports: Fields, port: string): string[] {
  return children(ports, port).map((binding) => {
    const ip = text(binding, "HostIp");
    return `${ip.includes(":") ? `[${ip}]` : ip}:${text(binding, "HostPort")}`;
  });
}

function allPorts(ports: Fields): string[] {
  return Object.keys(ports)
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : 1))
    .flatMap((port) => bindings(ports, port).map((binding) => `${port} -> ${binding}`));
}

function onePort(ports: Fields, wanted: string, name: string): string[] {
  const match = /^(\d{1,5})(?:\/([a-z]*))?$/i.exec(wanted);
  if (match === null) throw new Exit(1, `Error: invalid port '${wanted}': invalid syntax`);
  const port = `${match[1]}/${(match[2] || "tcp").toLowerCase()}`;
  const found = isFields(ports) ? bindings(ports, port) : [];
  if (found.length === 0) throw new Exit(1, `Error: No public port '${wanted}' published for ${name}`);
  return found;
}
