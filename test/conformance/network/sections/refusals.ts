/** Networks that cannot be, and containers that cannot be in them: one clear error each. */
import { IMAGE, type World } from "../world.ts";

export async function refusals(world: World): Promise<void> {
  await world.network("lan-front", "--subnet", "10.81.1.0/24");
  await world.network("lan-tiny", "--subnet", "10.81.9.0/30");
  await world.container(
    "lan-web",
    "--network",
    "lan-front",
    "--ip",
    "10.81.1.10",
    "--mac-address",
    "02:42:0a:51:01:0a",
  );
  await creations(world);
  await names(world);
  await addresses(world);
  await connections(world);
  await removals(world);
}

async function creations(world: World): Promise<void> {
  const cases: readonly (readonly string[])[] = [
    ["--subnet", "10.81.1.0/24"],
    ["--subnet", "10.81.1.128/25"],
    ["--subnet", "10.81.0.0/16"],
    ["--subnet", "172.17.0.0/24"],
    ["--subnet", "10.81.20.0"],
    ["--subnet", "10.81.20.0/33"],
    ["--subnet", "10.81.20.0/"],
    ["--subnet", "10.81.300.0/24"],
    ["--subnet", "nonsense"],
    ["--subnet", "10.81.20.0/24", "--subnet", "10.81.20.0/25"],
    ["--subnet", "10.81.20.0/24", "--subnet", "10.81.21.0/24"],
    ["--subnet", "10.81.20.0/24", "--gateway", "10.81.21.1"],
    ["--subnet", "10.81.20.0/24", "--gateway", "nonsense"],
    ["--subnet", "10.81.20.0/24", "--gateway", "10.81.20.0"],
    ["--subnet", "10.81.20.0/24", "--gateway", "10.81.20.1", "--gateway", "10.81.20.2"],
    ["--subnet", "10.81.20.0/24", "--ip-range", "10.81.21.0/25"],
    ["--subnet", "10.81.20.0/24", "--ip-range", "nonsense"],
    ["--subnet", "10.81.20.0/24", "--aux-address", "a=10.81.21.9"],
    ["--subnet", "10.81.20.0/24", "--aux-address", "a=10.81.20.9", "--aux-address", "b=10.81.20.9"],
    ["--subnet", "10.81.20.0/24", "--aux-address", "a=10.81.20.1", "--gateway", "10.81.20.1"],
    ["--gateway", "10.81.20.1"],
    ["--ip-range", "10.81.20.0/25"],
    ["--subnet", "fd00:81:20::/64"],
    ["--ipv6", "--subnet", "10.81.20.0/24", "--subnet", "fd00:81:20::/129"],
    ["--subnet", "10.81.20.0/31"],
    ["--subnet", "10.81.20.0/32"],
    ["--subnet", "10.81.20.7/24"],
    ["--subnet", "127.0.0.0/24"],
    ["--subnet", "224.0.0.0/24"],
    ["--driver", "nonsense"],
    ["--driver", "host"],
    ["--driver", "null"],
    ["--ipam-driver", "nonsense"],
    ["--scope", "nonsense"],
    ["-o", "com.docker.network.driver.mtu=nonsense"],
    ["-o", "com.docker.network.bridge.enable_icc=nonsense"],
    ["-o", "com.docker.network.bridge.host_binding_ipv4=nonsense"],
    ["-o", "com.docker.network.bridge.name=a-name-that-is-too-long"],
    ["--label", ""],
    ["--config-from", "nothing"],
    ["--config-only", "--internal"],
    ["--driver", "macvlan", "-o", "parent=nothing0"],
    ["--driver", "ipvlan", "-o", "ipvlan_mode=nonsense"],
  ];
  for (const flags of cases) {
    await world.say(`network create ${flags.join(" ")}`, "network", "create", ...flags, "lan-new");
    await world.cli("network", "rm", "lan-new");
  }
}

async function names(world: World): Promise<void> {
  const cases = [
    "lan-front",
    "bridge",
    "host",
    "none",
    "default",
    "",
    " ",
    "a b",
    "a/b",
    "-a",
    "a:b",
    "ü",
    "a".repeat(300),
    "container:x",
  ];
  for (const name of cases) {
    const shown = name.length > 50 ? "a name of 300 letters" : `"${name}"`;
    const { code, stdout, stderr } = await world.cli(
      "network",
      "create",
      "--subnet",
      "10.81.20.0/24",
      "--",
      name,
    );
    const said = (code === 0 ? stdout : stderr)
      .replaceAll(/a{300}/g, "NAME")
      .replaceAll(/\b[0-9a-f]{64}\b/g, "ID");
    world.observe(
      `network create ${shown}`,
      `${code}: ${said.trim().replaceAll(/\n+/g, " | ")}`.replaceAll(/\b(docker|gantry)\b/g, "CLI"),
    );
    if (code === 0) await world.cli("network", "rm", stdout.trim());
  }
}

async function addresses(world: World): Promise<void> {
  const run = ["run", "--rm", "--network", "lan-front"] as const;
  const cases: readonly (readonly string[])[] = [
    ["--ip", "10.81.1.10"],
    ["--ip", "10.81.1.1"],
    ["--ip", "10.81.1.0"],
    ["--ip", "10.81.1.255"],
    ["--ip", "10.81.2.9"],
    ["--ip", "nonsense"],
    ["--ip", "fd00::1"],
    ["--ip6", "fd00:81:1::9"],
    ["--ip6", "10.81.1.9"],
    ["--mac-address", "nonsense"],
    ["--mac-address", "02:42:0a:51:01:0a"],
    ["--mac-address", "01:00:5e:00:00:01"],
    ["--link-local-ip", "nonsense"],
    ["--network-alias", ""],
  ];
  for (const flags of cases)
    await world.say(`run --network lan-front ${flags.join(" ")}`, ...run, ...flags, IMAGE, "true");
  await world.say("run --network nothing", "run", "--rm", "--network", "nothing", IMAGE, "true");
  await world.say(
    "run --network container:nothing",
    "run",
    "--rm",
    "--network",
    "container:nothing",
    IMAGE,
    "true",
  );
  await world.say(
    "run --network with an alias in the default bridge",
    "run",
    "--rm",
    "--network-alias",
    "x",
    IMAGE,
    "true",
  );
  await world.say(
    "run --network twice",
    "run",
    "--rm",
    "--network",
    "lan-front",
    "--network",
    "lan-front",
    IMAGE,
    "true",
  );
  await world.say(
    "run --network host and another",
    "run",
    "--rm",
    "--network",
    "host",
    "--network",
    "lan-front",
    IMAGE,
    "true",
  );
  await world.container("lan-only", "--network", "lan-tiny");
  await world.say("the second container in a /30", "run", "--rm", "--network", "lan-tiny", IMAGE, "true");
  await world.ok("rm", "-f", "lan-only");
  await world.say(
    "the second container in a /30 when the first is gone",
    "run",
    "--rm",
    "--network",
    "lan-tiny",
    IMAGE,
    "hostname",
    "-i",
  );
}

async function connections(world: World): Promise<void> {
  const cases: readonly (readonly string[])[] = [
    ["connect", "lan-front", "lan-web"],
    ["connect", "nothing", "lan-web"],
    ["connect", "lan-front", "nothing"],
    ["connect", "host", "lan-web"],
    ["connect", "none", "lan-web"],
    ["connect", "--ip", "10.81.9.9", "lan-tiny", "lan-web"],
    ["connect", "--ip", "nonsense", "lan-tiny", "lan-web"],
    ["connect", "--ip", "172.17.0.99", "bridge", "lan-web"],
    ["disconnect", "lan-tiny", "lan-web"],
    ["disconnect", "nothing", "lan-web"],
    ["disconnect", "lan-front", "nothing"],
    ["disconnect", "-f", "lan-front", "nothing"],
    ["disconnect", "none", "lan-web"],
    ["disconnect", "host", "lan-web"],
    ["disconnect", "lan-front", "lan-web"],
    ["disconnect", "lan-front", "lan-web"],
    ["connect", "lan-front", "lan-web"],
  ];
  for (const [index, args] of cases.entries())
    await world.say(`${index + 1} network ${args.join(" ")}`, "network", ...args);
  await world.container("lan-none", "--network", "none");
  await world.say("none: network connect lan-front", "network", "connect", "lan-front", "lan-none");
  await world.say("none: network disconnect none", "network", "disconnect", "none", "lan-none");
  await world.say("none: then connect", "network", "connect", "lan-front", "lan-none");
  world.expectContainer("lan-created");
  await world.ok("create", "--name", "lan-created", "--network", "lan-front", IMAGE, "true");
  await world.say("created: connect twice", "network", "connect", "lan-front", "lan-created");
  await world.say("created: connect to a second", "network", "connect", "lan-tiny", "lan-created");
  await world.say("created: disconnect", "network", "disconnect", "lan-front", "lan-created");
  await world.say("created: disconnect again", "network", "disconnect", "lan-front", "lan-created");
}

async function removals(world: World): Promise<void> {
  await world.say("network rm in use", "network", "rm", "lan-front");
  for (const name of ["bridge", "host", "none", "nothing", ""])
    await world.say(`network rm "${name}"`, "network", "rm", name);
  await world.say("network rm -f nothing", "network", "rm", "-f", "nothing");
  await world.say("network inspect nothing", "network", "inspect", "nothing");
  await world.say("network rm of several", "network", "rm", "nothing", "lan-tiny", "bridge");
  await world.say("a created container whose network is gone", "start", "lan-created");
}
