import { fieldsOf, text } from "../../client/fields.ts";
import { type Command, exactly } from "../command.ts";
import { Exit } from "../exit.ts";
import { type Flag, FlagSet } from "../flags.ts";
import { stringsFlag } from "../options/strings-flag.ts";
import { subnetConfigs } from "../options/subnets.ts";
import { checkLabel, keyValues } from "../options/values.ts";

export function command(): Command {
  const flags = new FlagSet();
  const create = createFlags(flags);
  return {
    usage: "[OPTIONS] NETWORK",
    flags,
    arguments: exactly(1),
    async run(cli, [name = ""]) {
      const body = createBody(name, create);
      const engine = await cli.engine();
      const answer = fieldsOf(await engine.json({ method: "POST", path: "/networks/create", json: body }));
      const warning = text(answer, "Warning");
      if (warning !== "") await cli.warn(`WARNING: ${warning}`);
      await cli.print(text(answer, "Id"));
      return 0;
    },
  };
}

function mapFlag(flags: FlagSet, name: string, usage: string, short = ""): Flag<readonly string[]> {
  return flags.list(name, usage, { valueName: "map", shownDefault: "map[]", short });
}

export function createFlags(flags: FlagSet) {
  return {
    attachable: flags.bool("attachable", false, "Enable manual container attachment"),
    auxAddress: mapFlag(flags, "aux-address", "Auxiliary IPv4 or IPv6 addresses used by Network driver"),
    configFrom: flags.string("config-from", "", "The network from which to copy the configuration"),
    configOnly: flags.bool("config-only", false, "Create a configuration only network"),
    driver: flags.string("driver", "bridge", "Driver to manage the Network", { short: "d" }),
    gateway: stringsFlag(flags, "gateway", "IPv4 or IPv6 Gateway for the master subnet"),
    ingress: flags.bool("ingress", false, "Create swarm routing-mesh network"),
    internal: flags.bool("internal", false, "Restrict external access to the network"),
    ipRange: stringsFlag(flags, "ip-range", "Allocate container ip from a sub-range"),
    ipamDriver: flags.string("ipam-driver", "default", "IP Address Management Driver"),
    ipamOpt: mapFlag(flags, "ipam-opt", "Set IPAM driver specific options"),
    ipv4: flags.bool("ipv4", true, "Enable or disable IPv4 address assignment"),
    ipv6: flags.bool("ipv6", false, "Enable or disable IPv6 address assignment"),
    label: flags.list("label", "Set metadata on a network", { check: checkLabel }),
    opt: mapFlag(flags, "opt", "Set driver specific options", "o"),
    scope: flags.string("scope", "", "Control the network's scope"),
    subnet: stringsFlag(flags, "subnet", "Subnet in CIDR format that represents a network segment"),
  };
}

export type CreateFlags = ReturnType<typeof createFlags>;

/** The body of `POST /networks/create`. What does not fit together ends the command. */
export function createBody(name: string, flags: CreateFlags): Readonly<Record<string, unknown>> {
  return {
    Name: name,
    Driver: flags.driver.value,
    Scope: flags.scope.value,
    ...(flags.ipv4.changed ? { EnableIPv4: flags.ipv4.value } : {}),
    ...(flags.ipv6.changed ? { EnableIPv6: flags.ipv6.value } : {}),
    IPAM: {
      Driver: flags.ipamDriver.value,
      Options: keyValues(flags.ipamOpt.value),
      Config: ipamConfigs(flags),
    },
    Internal: flags.internal.value,
    Attachable: flags.attachable.value,
    Ingress: flags.ingress.value,
    ConfigOnly: flags.configOnly.value,
    ConfigFrom: flags.configFrom.value === "" ? null : { Network: flags.configFrom.value },
    Options: keyValues(flags.opt.value),
    Labels: keyValues(flags.label.value),
  };
}

function ipamConfigs(flags: CreateFlags): readonly object[] {
  try {
    return subnetConfigs({
      subnets: flags.subnet.value,
      ranges: flags.ipRange.value,
      gateways: flags.gateway.value,
      auxiliary: flags.auxAddress.value,
    });
  } catch (error) {
    throw new Exit(1, error instanceof Error ? error.message : String(error));
  }
}
