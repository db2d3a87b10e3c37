import { child, children, type Fields, fieldsOf, text } from "../../client/fields.ts";
import type { Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { portNumberError } from "../options/ports.ts";
import { compareNatural } from "../output/natural-order.ts";
import { FORMAT_USAGE } from "../output/usage.ts";
import { segment } from "./each.ts";
import { explainPorts } from "./explain-ports.ts";

export function command(): Command {
  const flags = new FlagSet();
  const explain = flags.bool(
    "explain",
    false,
    "Tell who reaches each port, and why (of all running containers without one)",
  );
  const format = flags.string(
    "format",
    "",
    `With --explain: ${FORMAT_USAGE.charAt(0).toLowerCase()}${FORMAT_USAGE.slice(1)}`,
  );
  return {
    usage: "[OPTIONS] CONTAINER [PRIVATE_PORT[/PROTO]]",
    flags,
    get arguments() {
      return { least: explain.value ? 0 : 1, most: 2 };
    },
    async run(cli, [name = "", wanted = ""]) {
      if (explain.value) {
        const port = wanted === "" ? "" : wantedPort(wanted);
        await explainPorts(cli, name, (each) => port === "" || each === port, format.value);
        return 0;
      }
      if (format.changed) throw new Exit(1, "--format is for --explain");
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

/** "80/tcp" */
function wantedPort(text: string): string {
  const [port = "", protocol = ""] = text.split("/", 2);
  const error = portNumberError(port);
  if (error !== undefined) throw new Exit(1, `Error: invalid port (${port}): ${error}`);
  return `${port}/${(protocol === "" ? "tcp" : protocol).toLowerCase()}`;
}

function onePort(ports: Fields, wanted: string, name: string): string[] {
  const found = bindings(ports, wantedPort(wanted));
  if (found.length === 0) throw new Exit(1, `Error: No public port '${wanted}' published for ${name}`);
  return found;
}
