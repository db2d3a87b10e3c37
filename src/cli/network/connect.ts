import { type Command, exactly } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { endpointBody, ipamBody } from "../options/networks.ts";
import { stringsFlag } from "../options/strings-flag.ts";
import { checkLink, fromPairs } from "../options/values.ts";
import { networkPath } from "./path.ts";

export function command(): Command {
  const flags = new FlagSet();
  const connect = connectFlags(flags);
  return {
    usage: "[OPTIONS] NETWORK CONTAINER",
    flags,
    arguments: exactly(2),
    async run(cli, [network = "", container = ""]) {
      const body = connectBody(container, connect);
      const engine = await cli.engine();
      await engine.run({ method: "POST", path: `${networkPath(network)}/connect`, json: body });
      return 0;
    },
  };
}

export function connectFlags(flags: FlagSet) {
  return {
    alias: stringsFlag(flags, "alias", "Add network-scoped alias for the container"),
    driverOpt: stringsFlag(flags, "driver-opt", "driver options for the network"),
    gwPriority: flags.int(
      "gw-priority",
      0,
      "Highest gw-priority provides the default gateway. Accepts positive and negative values.",
    ),
    ip: flags.string("ip", "", 'IPv4 address (e.g., "172.30.100.104")'),
    ip6: flags.string("ip6", "", 'IPv6 address (e.g., "2001:db8::33")'),
    link: flags.list("link", "Add link to another container", { check: checkLink }),
    linkLocalIp: stringsFlag(flags, "link-local-ip", "Add a link-local address for the container"),
  };
}

export type ConnectFlags = ReturnType<typeof connectFlags>;

/** The body of `POST /networks/{id}/connect`. */
export function connectBody(container: string, flags: ConnectFlags): Readonly<Record<string, unknown>> {
  if (container.trim() === "") throw new Exit(1, "invalid container name or ID: value is empty");
  const attachment = {
    name: "",
    aliases: flags.alias.value,
    driverOptions: flags.driverOpt.value.map(driverOption),
    links: flags.link.value,
    ipv4: flags.ip.value,
    ipv6: flags.ip6.value,
    linkLocalIps: flags.linkLocalIp.value,
    macAddress: "",
    gatewayPriority: flags.gwPriority.value,
  };
  return {
    Container: container,
    EndpointConfig: {
      ...endpointBody(attachment),
      IPAMConfig: ipamBody(attachment),
      Aliases: attachment.aliases,
      DriverOpts: fromPairs(attachment.driverOptions),
    },
  };
}

function driverOption(text: string): readonly [string, string] {
  const cut = text.indexOf("=");
  const key = text.slice(0, Math.max(cut, 0)).trim();
  if (key === "") throw new Exit(1, "invalid key/value pair format in driver options");
  return [key, text.slice(cut + 1).trim()];
}
